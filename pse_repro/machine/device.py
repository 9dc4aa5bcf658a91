"""Which device and precision a run uses."""

import os
import platform
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from pse_repro.errors import NotFitError
from pse_repro.machine.nvidia import nvidia_smi


@dataclass(frozen=True)
class Machine:
    """A device and the precision of the networks on it (losses and BatchNorm statistics are always float32)."""

    device: torch.device
    precision: str  # "fp32" (PyTorch's default: TF32 in cuDNN's convolutions, as the author ran) or "bf16"

    def autocast(self) -> AbstractContextManager[None]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def peak_memory_bytes(self) -> int:
        """The most memory taken so far: the device's on a GPU, the process's resident set on a CPU."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def describe(self) -> dict[str, str | int]:
        """Name, driver and threads, for provenance."""
        if self.device.type == "cuda":
            found = torch.cuda.get_device_properties(self.device)
            cuda = torch.version.cuda or ""
            return {"name": found.name, "memory_bytes": found.total_memory, "cuda": cuda, "driver": _driver()}
        return {
            "name": platform.processor() or platform.machine(),
            "cores": os.cpu_count() or 1,
            "threads": torch.get_num_threads(),
        }


def _driver() -> str:
    """The NVIDIA driver's version, which PyTorch does not tell; empty where nvidia-smi does not either."""
    rows, _ = nvidia_smi("driver_version")
    return rows[0][0] if rows else ""


def choose_machine(device: str, precision: str) -> Machine:
    """`device` is auto, cpu or cuda; NotFitError where cuda is asked for and PyTorch sees none."""
    if device == "cuda" and not torch.cuda.is_available():
        raise NotFitError(
            f"--device cuda, but PyTorch {torch.__version__} (CUDA {torch.version.cuda or 'none'}) sees no GPU: "
            "check the driver with nvidia-smi, or give --device cpu"
        )
    kind = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    return Machine(torch.device(kind), precision)
