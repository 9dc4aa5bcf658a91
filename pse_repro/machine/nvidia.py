"""NVIDIA hardware and driver, read without PyTorch, which may be built without CUDA or see no GPU.

The sources are nvidia-smi, a few files and a few calls of the driver's libraries. NVIDIA's nvidia-ml-py would be one
more dependency and needs the same driver.
"""

import ctypes
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pse_repro.machine.system import text_of

NVIDIA_SMI_SECONDS = 10.0  # timeout: it hangs if a GPU has fallen off the bus

_VENDOR, _DISPLAY = "0x10de", "0x03"  # PCI's numbers for NVIDIA and for display controllers


@dataclass(frozen=True)
class Nvidia:
    """NVIDIA hardware and driver; strings are empty if there is none or it is unknown."""

    on_bus: int = 0  # GPUs on the PCI bus (0 in WSL and on a Jetson, which have no such bus)
    device_files: bool = False  # /dev/nvidia0 etc., or WSL's device; a container needs access to them
    driver: str = ""  # version of the driver: "535.54.03"
    cuda: str = ""  # newest CUDA that the driver supports: "12.2"
    names: tuple[str, ...] = ()  # GPUs that nvidia-smi lists, including those hidden by CUDA_VISIBLE_DEVICES
    complaint: str = ""  # error message of nvidia-smi

    @property
    def present(self) -> bool:
        """True if the machine has NVIDIA hardware or a driver for it."""
        return bool(self.on_bus or self.names or self.driver)


def read_nvidia(root: Path = Path("/")) -> Nvidia:
    """Return NVIDIA's hardware and driver on this machine; files are read below `root`."""
    rows, complaint = nvidia_smi("name", "driver_version")
    version = re.search(r"\d+\.\d+(\.\d+)?", text_of(root / "proc/driver/nvidia/version"))
    return Nvidia(
        on_bus=sum(_is_gpu(device) for device in root.glob("sys/bus/pci/devices/*")),
        device_files=any(root.glob("dev/nvidia[0-9]*")) or (root / "dev/dxg").exists(),
        driver=rows[0][1] if rows else version[0] if version else "",
        cuda=_newest_cuda(),
        names=tuple(name for name, _ in rows),
        complaint=complaint,
    )


def _is_gpu(device: Path) -> bool:
    return text_of(device / "vendor").strip() == _VENDOR and text_of(device / "class").startswith(_DISPLAY)


def _newest_cuda() -> str:
    """Return the newest CUDA that the driver supports; the call needs neither a GPU nor an initialised CUDA."""
    number = ctypes.c_int()
    try:
        if ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(number)):
            return ""
    except (OSError, AttributeError):
        return ""
    return f"{number.value // 1000}.{number.value % 1000 // 10}" if number.value else ""


def gpu_energy_joules(uuid: str) -> float | None:
    """Return the energy that a GPU (Volta or newer) has used since its driver was loaded; None if unavailable.

    It includes all programs on the GPU. nvidia-smi has no field for it, NVIDIA's management library has.
    """
    handle, millijoules = ctypes.c_void_p(), ctypes.c_ulonglong()
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
        failed = (
            library.nvmlInit_v2()
            or library.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}".encode(), ctypes.byref(handle))
            or library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(millijoules))
        )
    except (OSError, AttributeError):
        return None
    return None if failed else millijoules.value / 1000


def nvidia_smi(*fields: str) -> tuple[list[list[str]], str]:
    """Return a row of `fields` per GPU from nvidia-smi, and an error message.

    The rows do not depend on which GPUs PyTorch sees. The message is empty if there is no error or no nvidia-smi.
    `fields` are listed by nvidia-smi --help-query-gpu.
    """
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=NVIDIA_SMI_SECONDS)
    except FileNotFoundError:
        return [], ""
    except subprocess.TimeoutExpired:
        return [], f"nvidia-smi gave no answer in {NVIDIA_SMI_SECONDS:g} s"
    except OSError as error:
        return [], f"nvidia-smi cannot be run: {error.strerror}"
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode:
        errors = [line.strip() for line in done.stderr.splitlines() if line.strip()] or lines
        return [], errors[0] if errors else f"nvidia-smi ended with status {done.returncode}"
    rows = [[value.strip() for value in line.split(",")] for line in lines]
    return [row for row in rows if len(row) == len(fields)], ""
