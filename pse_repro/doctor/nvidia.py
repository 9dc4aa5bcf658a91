"""What the machine has from NVIDIA, read without PyTorch, which may be built without CUDA or see no GPU.

nvidia-smi, two files and one call of the driver's library tell it all: NVIDIA's nvidia-ml-py would be one more
dependency, and needs the same driver.
"""

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path

from pse_repro.device import nvidia_smi
from pse_repro.doctor.system import text_of

_VENDOR, _DISPLAY = "0x10de", "0x03"  # PCI's numbers for NVIDIA and for display controllers


@dataclass(frozen=True)
class Nvidia:
    """NVIDIA's hardware and driver; a text is empty where there is nothing or nobody tells."""

    on_bus: int = 0  # GPUs on the PCI bus (0 in WSL and on a Jetson, which have none)
    device_files: bool = False  # /dev/nvidia0 and its like, or WSL's: what a container must be given
    driver: str = ""  # version of the driver: "535.54.03"
    cuda: str = ""  # the newest CUDA that the driver supports: "12.2"
    names: tuple[str, ...] = ()  # the GPUs that nvidia-smi lists, whatever CUDA_VISIBLE_DEVICES hides
    complaint: str = ""  # nvidia-smi's

    @property
    def present(self) -> bool:
        """There is hardware, or the driver of some."""
        return bool(self.on_bus or self.names or self.driver)


def read_nvidia(root: Path = Path("/")) -> Nvidia:
    """Ask the machine; files are read below `root`."""
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
    """The newest CUDA that the driver supports; the call needs neither a GPU nor an initialised CUDA."""
    number = ctypes.c_int()
    try:
        if ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(number)):
            return ""
    except (OSError, AttributeError):
        return ""
    return f"{number.value // 1000}.{number.value % 1000 // 10}" if number.value else ""
