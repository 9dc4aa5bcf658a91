"""PyTorch and the environment are read without errors, whatever their state."""

import warnings

import pytest
import torch

from pse_repro.doctor import facts
from pse_repro.doctor.facts import Gpu, read_speed, read_torch
from pse_repro.doctor.images import Images
from pse_repro.evaluation.cost import Costs
from tests.support.invented_machines import GOOD


def test_gpus_are_read_from_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    class Properties:
        name, major, minor = "NVIDIA H200", 9, 0

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: Properties)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (100, 150))
    assert read_torch().gpus == (Gpu("NVIDIA H200", (9, 0), 150, 100),) * 2
    assert read_torch().complaint == ""


def test_why_pytorch_sees_none_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def warn() -> bool:
        warnings.warn("CUDA initialization: driver too old\nmore", stacklevel=1)
        return False

    def fail() -> None:
        raise RuntimeError("Found no NVIDIA driver on your system.\nPlease check")

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", warn)
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    assert read_torch().complaint == "CUDA initialization: driver too old"
    monkeypatch.setattr(torch.cuda, "init", fail)
    assert read_torch().complaint == "Found no NVIDIA driver on your system."
    monkeypatch.setattr(torch.version, "cuda", None)
    assert read_torch().cuda == ""


def test_a_measurement_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nCompile with")

    monkeypatch.setattr(facts, "measure", fail)
    speed = read_speed(GOOD.images, "fp32")
    assert speed.error == "CUDA error: no kernel image is available for execution on the device"
    assert speed.seconds == {}


def test_seconds_are_for_the_images_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = Costs(train=1e-3, forward=0, encode=0, small=0, high=0, step=0, classify=0)
    monkeypatch.setattr(facts, "measure", lambda encoders, machine: dict.fromkeys(encoders, costs))
    few = Images(GOOD.images.path, "other", {"unlabeled": 10_000, "train": 10, "test": 10})
    official, reduced = read_speed(GOOD.images, "fp32").seconds, read_speed(few, "fp32").seconds
    assert reduced["quick"] == pytest.approx(official["quick"] / 10)
    assert reduced["smoke"] == official["smoke"]  # its subset is smaller than either


@pytest.mark.parametrize(
    ("name", "kept"),
    [("PSE_REPRO_DATA", True), ("OMP_NUM_THREADS", True), ("CUDA_VISIBLE_DEVICES", True), ("TORCHINDUCTOR_X", True),
     ("https_proxy", True), ("HTTP_PROXY", True), ("XDG_CACHE_HOME", True), ("PATH", False), ("AWS_SECRET_KEY", False),
     ("OMPI_COMM", False), ("MY_PSE_REPRO_X", False)],
)  # fmt: skip
def test_variables_that_matter(name: str, kept: bool) -> None:
    assert bool(facts._VARIABLES.fullmatch(name)) == kept


def test_versions_are_those_of_the_packages_that_the_kit_names() -> None:
    versions = facts._versions()
    assert versions["torch"] == torch.__version__.partition("+")[0] or versions["torch"] == torch.__version__
    assert "pytest" not in versions
