"""NVIDIA hardware and driver are read if present, and nothing fails if they are absent."""

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pse_repro.machine import nvidia
from pse_repro.machine.nvidia import Nvidia, read_nvidia

MODULE = """NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs-builder@U16)
GCC version:  gcc version 13.3.0
"""


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Path of a fake nvidia-smi, first on the PATH; absent until a test writes it."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(nvidia, "NVIDIA_SMI_SECONDS", 0.3)
    monkeypatch.setattr(ctypes, "CDLL", _no_library)
    return tmp_path / "nvidia-smi"


def _no_library(name: str) -> Any:
    raise OSError(f"{name}: cannot open shared object file")


def write(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def pci(root: Path, slot: str, vendor: str, kind: str) -> None:
    folder = root / "sys/bus/pci/devices" / slot
    folder.mkdir(parents=True)
    (folder / "vendor").write_text(f"{vendor}\n")
    (folder / "class").write_text(f"{kind}\n")


def test_a_machine_without_anything(smi: Path, tmp_path: Path) -> None:
    assert read_nvidia(tmp_path) == Nvidia()
    assert not read_nvidia(tmp_path).present


def test_hardware_driver_and_devices(smi: Path, tmp_path: Path) -> None:
    pci(tmp_path, "0000:01:00.0", "0x10de", "0x030200")
    pci(tmp_path, "0000:01:00.1", "0x10de", "0x040300")  # its sound
    pci(tmp_path, "0000:02:00.0", "0x8086", "0x030000")  # Intel's graphics
    assert read_nvidia(tmp_path) == Nvidia(on_bus=1)
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text(MODULE)
    assert read_nvidia(tmp_path) == Nvidia(on_bus=1, driver="580.65.06")  # as in a container without its GPU
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidiactl").touch()
    assert not read_nvidia(tmp_path).device_files
    (tmp_path / "dev/nvidia0").touch()
    write(smi, "echo 'NVIDIA H200, 580.65.06'; echo 'NVIDIA H200, 580.65.06'")
    found = read_nvidia(tmp_path)
    assert (found.device_files, found.names, found.complaint) == (True, ("NVIDIA H200",) * 2, "")


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (
            "echo 'NVIDIA-SMI has failed because it could not communicate with the driver.'; exit 9",
            "NVIDIA-SMI has failed",
        ),
        ("echo 'Failed to initialize NVML: Driver/library version mismatch' >&2; exit 18", "Failed to initialize NVML"),
        ("exit 3", "nvidia-smi ended with status 3"),
        ("exec sleep 30", "nvidia-smi gave no answer in 0.3 s"),
        ("printf '\\377\\376'; exit 1", "\ufffd"),
        ("echo nonsense", ""),
        ("", ""),
    ],
)
def test_an_nvidia_smi_that_fails_hangs_or_says_nothing(smi: Path, tmp_path: Path, script: str, complaint: str) -> None:
    write(smi, script)
    found = read_nvidia(tmp_path)
    assert (found.names, found.driver) == ((), "")
    assert found.complaint.startswith(complaint)
    assert bool(found.complaint) == bool(complaint)


def test_an_nvidia_smi_that_cannot_be_run(smi: Path, tmp_path: Path) -> None:
    smi.write_bytes(b"\x7fELF of another processor")
    smi.chmod(0o755)
    assert read_nvidia(tmp_path).complaint.startswith("nvidia-smi cannot be run: ")


@pytest.mark.parametrize(
    ("number", "status", "cuda"), [(13020, 0, "13.2"), (12080, 0, "12.8"), (0, 0, ""), (0, 34, "")]
)
def test_the_newest_cuda_is_the_driver_librarys(
    smi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, status: int, cuda: str
) -> None:
    class Library:
        def cuDriverGetVersion(self, where: Any) -> int:
            where._obj.value = number
            return status

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library())
    assert read_nvidia(tmp_path).cuda == cuda


class Library:
    """NVIDIA's management library with one GPU, which has used 2.5 kJ; the function `failing` returns an error."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing

    def __getattr__(self, name: str) -> Callable[..., int]:
        return getattr(self, f"_{name}") if name != self.failing else lambda *_: 9

    def _nvmlInit_v2(self) -> int:
        return 0

    def _nvmlDeviceGetHandleByUUID(self, uuid: bytes, handle: Any) -> int:
        return 0 if uuid == b"GPU-12-ab" else 6  # NVML_ERROR_NOT_FOUND

    def _nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, millijoules: Any) -> int:
        millijoules._obj.value = 2_500_000
        return 0


@pytest.mark.parametrize(
    ("uuid", "failing", "expected"),
    [
        ("12-ab", "", 2500.0),
        ("34-cd", "", None),
        ("12-ab", "nvmlInit_v2", None),
        ("12-ab", "nvmlDeviceGetTotalEnergyConsumption", None),  # older than Volta
    ],
)
def test_a_gpu_tells_its_energy_if_it_can(
    uuid: str, failing: str, expected: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library(failing))
    assert nvidia.gpu_energy_joules(uuid) == expected


def test_without_a_driver_there_is_no_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", _no_library)
    assert nvidia.gpu_energy_joules("12-ab") is None
