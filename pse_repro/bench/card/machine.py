"""Part "machine": what the machine is, and its ceilings, measured in this run."""

import torch

from pse_repro.bench.arithmetic import matrix_rate
from pse_repro.bench.card.task import Task
from pse_repro.bench.measure import seconds_per_call
from pse_repro.bench.sizes import CPU, GPU, QUICK
from pse_repro.files import write_bytes
from pse_repro.machine.device import Machine
from pse_repro.machine.nvidia import nvidia_smi, read_nvidia
from pse_repro.machine.provenance import provenance
from pse_repro.machine.system import read_cpu, read_memory
from pse_repro.text import to_json

GPU_COPY_BYTES, CPU_COPY_BYTES, QUICK_COPY_BYTES = 4_000_000_000, 500_000_000, 10_000_000
COPIES, LAUNCHES = 10, 1000  # between two waits


def measure_machine(task: Task) -> None:
    """Note processor, memory, driver and GPU; rates of matrix products and copies; the time of a launch."""
    machine = task.machine()
    write_bytes(task.out / "provenance.json", to_json(provenance({}, machine)).encode() + b"\n")
    cpu = read_cpu()
    task.note("processor", cpu.name, f"{cpu.cores:g} cores, {cpu.busy:.1f} busy")
    task.note("memory available", read_memory().available / 1e9, "GB")
    task.note("PyTorch", torch.__version__, f"CUDA {torch.version.cuda or 'none'}")
    if task.device == "cuda":
        _note_gpu(task)
    sizes = QUICK if task.quick else GPU if task.device == "cuda" else CPU
    for name, precision, tf32 in (("float32", "fp32", False), ("TF32", "fp32", True), ("bfloat16", "bf16", False)):
        if name != "TF32" or task.device == "cuda":
            found = matrix_rate(Machine(machine.device, precision), sizes.matrix_side, tf32)
            task.note(f"matrix product, {name}", found / 1e12, "TFLOP/s")
    task.note("copy on the device, read and written", _copy_rate(task, machine) / 1e9, "GB/s")
    one = torch.zeros(1, device=machine.device)
    seconds_per_call(lambda: one.add_(1), machine, 10)
    launch = seconds_per_call(lambda: one.add_(1), machine, LAUNCHES)
    task.note("launch of a kernel with next to nothing to do", 1e6 * launch, "us")


def _note_gpu(task: Task) -> None:
    nvidia, found = read_nvidia(), torch.cuda.get_device_properties(0)
    task.note("GPU", found.name, f"{found.multi_processor_count} multiprocessors, compute {found.major}.{found.minor}")
    task.note("GPU memory", found.total_memory / 1e9, "GB")
    task.note("GPU memory free", torch.cuda.mem_get_info()[0] / 1e9, "GB")
    task.note("driver", nvidia.driver or "unknown", f"up to CUDA {nvidia.cuda or 'unknown'}")
    task.note("cuDNN", str(torch.backends.cudnn.version()), f"TF32 {torch.backends.cudnn.allow_tf32}")
    for row in nvidia_smi("clocks.max.sm", "clocks.max.memory", "power.limit")[0][:1]:
        task.note("limits of clocks and power", f"{row[0]} MHz, memory {row[1]} MHz, {row[2]} W")


def _copy_rate(task: Task, machine: Machine) -> float:
    """Return bytes per second, read and written, of copies far larger than any cache."""
    size = QUICK_COPY_BYTES if task.quick else CPU_COPY_BYTES
    if task.device == "cuda" and not task.quick:
        size = min(GPU_COPY_BYTES, torch.cuda.mem_get_info()[0] // 4)
    source = torch.zeros(size, dtype=torch.uint8, device=machine.device)
    target = torch.empty_like(source)
    seconds_per_call(lambda: target.copy_(source), machine)
    return 2 * size / seconds_per_call(lambda: target.copy_(source), machine, COPIES)
