"""The machine: device, precision, peak memory, description."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pse_repro.errors import NotFitError
from pse_repro.machine import device, nvidia
from pse_repro.machine.device import Machine, choose_machine


def test_auto_takes_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for available, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr("torch.cuda.is_available", lambda available=available: available)
        monkeypatch.setattr("torch.cuda.init", lambda: None)
        assert choose_machine("auto", "fp32").device.type == kind
        assert choose_machine("cpu", "fp32").device.type == "cpu"


def test_cuda_where_there_is_none_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(NotFitError, match=r"sees no GPU: check the driver with nvidia-smi, or give --device cpu"):
        choose_machine("cuda", "fp32")


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_precision_is_that_of_matrix_products(precision: str, dtype: torch.dtype) -> None:
    with Machine(torch.device("cpu"), precision).autocast():
        assert torch.nn.Linear(4, 4)(torch.rand(2, 4)).dtype == dtype


@pytest.mark.usefixtures("settings_put_back")
@pytest.mark.parametrize("kind", ["cpu", "cuda"])
@pytest.mark.parametrize("deterministic", [False, True])
def test_a_machine_sets_all_that_pytorch_may_choose(
    kind: str, deterministic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    initialised: list[bool] = []
    monkeypatch.setattr("torch.cuda.init", lambda: initialised.append(True))
    torch.use_deterministic_algorithms(not deterministic)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = not deterministic, True
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = deterministic, True
    Machine(torch.device(kind), "fp32", deterministic).prepare()
    assert device.settings() == {
        "tf32_convolutions": not deterministic,  # as on the author's card
        "tf32_products": False,
        "cudnn_benchmark": False,
        "cudnn_deterministic": deterministic,
        "deterministic_algorithms": deterministic,
    }
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == (":4096:8" if deterministic else "")
    assert bool(initialised) == (kind == "cuda")  # --device cpu takes no memory of a GPU


def test_a_cpu_describes_itself() -> None:
    machine = Machine(torch.device("cpu"), "fp32")
    assert machine.describe()["threads"] == torch.get_num_threads()
    assert machine.peak_memory_bytes() > 1e7


def test_the_unit_of_the_resident_set_depends_on_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = SimpleNamespace(ru_maxrss=3000)
    monkeypatch.setattr("resource.getrusage", lambda _: usage)
    for system, expected in (("linux", 3000 * 1024), ("darwin", 3000)):
        monkeypatch.setattr("sys.platform", system)
        assert Machine(torch.device("cpu"), "fp32").peak_memory_bytes() == expected


def test_peak_memory_is_reset_on_a_gpu_only(monkeypatch: pytest.MonkeyPatch) -> None:
    devices: list[torch.device] = []
    monkeypatch.setattr("torch.cuda.init", lambda: None)
    monkeypatch.setattr("torch.cuda.reset_peak_memory_stats", devices.append)
    for kind in ("cpu", "cuda"):
        Machine(torch.device(kind), "fp32").reset_peak_memory()
    assert devices == [torch.device("cuda")]


def test_the_driver_is_read_where_nvidia_smi_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 580.159.03\necho 580.159.03\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert device._driver() == "580.159.03"
    program.write_text("#!/bin/sh\nexit 9\n")
    assert device._driver() == ""


def test_nvidia_smi_gives_a_row_for_each_gpu_or_a_complaint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(nvidia, "NVIDIA_SMI_SECONDS", 0.3)
    assert nvidia.nvidia_smi("name", "driver_version") == ([], "")  # there is none
    program.write_text('#!/bin/sh\necho "$1"\n')
    program.chmod(0o755)
    assert nvidia.nvidia_smi("name", "index")[0] == [["--query-gpu=name", "index"]]
    program.write_text("#!/bin/sh\necho 'NVIDIA H200, 0'\necho\necho 'NVIDIA L4, 1'\necho nonsense\n")
    assert nvidia.nvidia_smi("name", "index") == ([["NVIDIA H200", "0"], ["NVIDIA L4", "1"]], "")
    program.write_text("#!/bin/sh\necho out\necho 'No devices were found' >&2\nexit 6\n")
    assert nvidia.nvidia_smi("name") == ([], "No devices were found")
    program.write_text("#!/bin/sh\nexec sleep 30\n")
    assert nvidia.nvidia_smi("name") == ([], "nvidia-smi gave no answer in 0.3 s")
