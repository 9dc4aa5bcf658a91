"""Device and precision of a run."""

import os
import platform
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from pse_repro.errors import NotFitError
from pse_repro.machine.nvidia import nvidia_smi
from pse_repro.machine.system import lacks_bf16


@dataclass(frozen=True)
class Machine:
    """A device and the precision of the networks on it (losses and BatchNorm statistics are always float32).

    With `joint_folds`, the classifiers of folds that share an encoder are trained jointly, not one after another. With
    `cuda_graphs`, steps on a GPU are captured as graphs where they can be.
    """

    device: torch.device
    precision: str  # "fp32" (with TF32 in convolutions, see `prepare`) or "bf16"
    deterministic: bool = False
    joint_folds: bool = False
    cuda_graphs: bool = True

    @property
    def captures(self) -> bool:
        """Whether steps are to be captured: only on a GPU."""
        return self.cuda_graphs and self.device.type == "cuda"

    def prepare(self) -> None:
        """Set all that PyTorch may choose in this process, and initialise CUDA if the machine is a GPU.

        Float32 is as on the author's card: TF32 in cuDNN's convolutions, not in matrix products, and kernels that are
        not chosen by measuring (PyTorch's defaults since version 1.12). A deterministic machine computes the same bits
        in every run, without TF32; on a CPU the number of threads must be the same, too (OMP_NUM_THREADS).
        Every process that computes calls it before its first operation on a GPU.
        """
        if self.deterministic:
            os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # read by cuBLAS when it starts
        torch.use_deterministic_algorithms(self.deterministic)
        torch.backends.cudnn.deterministic = self.deterministic
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = not self.deterministic
        torch.backends.cuda.matmul.allow_tf32 = False
        if self.device.type == "cuda":
            torch.cuda.init()

    def autocast(self) -> AbstractContextManager[None]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def peak_memory_bytes(self) -> int:
        """Return the peak memory in bytes.

        On a GPU: memory allocated since `reset_peak_memory`. On a CPU: the resident set of the process since its
        start, which cannot be reset.
        """
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        import resource

        unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): bytes on macOS, kibibytes on Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    def reset_peak_memory(self) -> None:
        """Start a new measurement of the peak memory on a GPU; no effect on a CPU."""
        if self.device.type == "cuda":
            torch.cuda.init()  # the reset fails in a process that has not used CUDA yet
            torch.cuda.reset_peak_memory_stats(self.device)

    def gpu_uuid(self) -> str:
        """Return the GPU's number in NVIDIA's management library; empty on a CPU."""
        if self.device.type != "cuda":
            return ""
        return str(getattr(torch.cuda.get_device_properties(self.device), "uuid", ""))

    def warning(self) -> str:
        """Return a warning about a precision that is slow on this machine; empty if there is none."""
        if self.precision == "bf16" and self.device.type == "cpu" and lacks_bf16():
            return (
                "this CPU has no instructions for bf16, with which a step takes up to eight times as long as with "
                "fp32, the default"
            )
        return ""

    def describe(self) -> dict[str, str | int]:
        """Return the device's name with its memory and driver, or its cores and threads, for provenance."""
        if self.device.type == "cuda":
            found = torch.cuda.get_device_properties(self.device)
            cuda = torch.version.cuda or ""
            return {"name": found.name, "memory_bytes": found.total_memory, "cuda": cuda, "driver": _driver()}
        return {
            "name": platform.processor() or platform.machine(),
            "cores": os.cpu_count() or 1,
            "threads": torch.get_num_threads(),
        }


def settings() -> dict[str, bool]:
    """Return PyTorch's settings in this process that can change numbers, by name, for provenance."""
    return {
        "tf32_convolutions": torch.backends.cudnn.allow_tf32,
        "tf32_products": torch.backends.cuda.matmul.allow_tf32,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
    }


def _driver() -> str:
    """Return the version of the NVIDIA driver from nvidia-smi, as PyTorch has no such function; empty if unknown."""
    rows, _ = nvidia_smi("driver_version")
    return rows[0][0] if rows else ""


def free_gpu_bytes(device: torch.device) -> int:
    """Return the GPU memory that this process can still use, including what PyTorch keeps without using it."""
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept


def choose_machine(
    device: str, precision: str, deterministic: bool = False, joint_folds: bool = False, cuda_graphs: bool = True
) -> Machine:
    """Return the machine for a device (auto, cpu or cuda) and a precision (fp32 or bf16), and prepare this process.

    Raises:
        NotFitError: The device is cuda, but PyTorch sees no GPU.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise NotFitError(
            f"--device cuda, but PyTorch {torch.__version__} (CUDA {torch.version.cuda or 'none'}) sees no GPU: "
            "check the driver with nvidia-smi, or give --device cpu"
        )
    kind = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    machine = Machine(torch.device(kind), precision, deterministic, joint_folds, cuda_graphs)
    machine.prepare()
    return machine
