"""Checks of PyTorch's build, the NVIDIA driver and the GPU: pure functions of the facts."""

import re

from pse_repro.data.batches import MODEL_BYTES
from pse_repro.doctor.check import Check
from pse_repro.doctor.facts import Facts, Gpu
from pse_repro.doctor.needs import REAL_IMAGES, STUDIES, TRAINING_BYTES, UNLABELED_BYTES
from pse_repro.text import amount

# The oldest Linux driver for each major version of CUDA. From CUDA 11 on, any build for that version runs on it and on
# newer ones: NVIDIA, "CUDA Compatibility", Minor Version Compatibility (docs.nvidia.com/deploy/cuda-compatibility).
DRIVERS = {11: "450.80.02", 12: "525.60.13", 13: "580"}
BF16_CAPABILITY = (8, 0)  # bfloat16 in the tensor cores since Ampere: CUDA C++ Programming Guide, Compute Capabilities

# How to give a container access to the GPU.
_PASS = {
    "apptainer": "start it with apptainer exec --nv ...",
    "podman": "start it with podman run --device nvidia.com/gpu=all ... "
    '(error "unresolvable CDI devices": the host lacks nvidia-container-toolkit, or nvidia-ctk was not run)',
}
_PASS_DOCKER = (
    "start it with docker run --gpus all ... "
    '(error "could not select device driver": the host lacks nvidia-container-toolkit)'
)
_DRIVER_PAGE = "https://www.nvidia.com/drivers"
_TORCH_PAGE = "https://pytorch.org/get-started/locally"
_WITHOUT = "pse-repro smoke, pse-repro run pair --device cpu"


def gpu_checks(facts: Facts) -> list[Check]:
    """Return the checks from PyTorch's build to the GPU's memory, without those that do not apply here."""
    checks = [check_torch(facts), check_driver(facts), check_gpu(facts), check_gpu_memory(facts)]
    return [check for check in checks if check is not None]


def check_torch(facts: Facts) -> Check:
    """Check for a build of PyTorch that can use the GPU."""
    build = f"built for CUDA {facts.torch.cuda}" if facts.torch.cuda else "a CPU-only build"
    found = f"{facts.torch.version}, {build}"
    if facts.torch.gpus or facts.torch.cuda or not facts.nvidia.present:
        return Check("PyTorch", "good", found)
    fitting = _newest_fitting(facts.nvidia.driver) if facts.nvidia.driver else max(DRIVERS)
    if fitting is None:
        remedy = f"update the NVIDIA driver first ({_DRIVER_PAGE}), then install a CUDA build"
    else:
        remedy = f"install PyTorch's build for CUDA {fitting}.x ({_TORCH_PAGE} has the command)"
    return Check("PyTorch", "bad", found, "a build for CUDA, as there is an NVIDIA GPU", remedy, REAL_IMAGES)


def check_driver(facts: Facts) -> Check | None:
    """Check for a driver that is new enough for the build; None if there is no NVIDIA hardware."""
    nvidia, build = facts.nvidia, facts.torch.cuda
    if not nvidia.present:
        return None
    least = _least_driver(build)
    needed = f"driver {least} or newer" + (f", for any CUDA {build.partition('.')[0]}.x" if build else "")
    where = "on the host, install" if facts.container else "install"
    if facts.torch.gpus:  # proof enough: cuda-compat packages make older drivers work than the table lists
        return Check("NVIDIA driver", "good", _driver_found(facts), needed)
    if not nvidia.driver:
        found = "none" + (f" for {nvidia.on_bus} NVIDIA GPU{'s' * (nvidia.on_bus > 1)}" if nvidia.on_bus else "")
        return _driver_bad(found, needed, f"{where} NVIDIA's driver ({_DRIVER_PAGE}), then reboot")
    if "mismatch" in nvidia.complaint:
        remedy = "reboot: the driver was updated while the old one was in use"
        return _driver_bad(f"{_driver_found(facts)}: {nvidia.complaint}", needed, remedy)
    if _too_old(facts):
        fitting, other = _newest_fitting(nvidia.driver), ""
        if fitting is not None:
            other = f", or PyTorch's build for CUDA {fitting}.x ({_TORCH_PAGE} has the command)"
        found = f"{_driver_found(facts)}; PyTorch {facts.torch.version} was built for CUDA {build}"
        update = f"{where} a newer NVIDIA driver ({_DRIVER_PAGE}){other}"
        return _driver_bad(found, needed, update)
    return Check("NVIDIA driver", "good", _driver_found(facts), needed)


def check_gpu(facts: Facts) -> Check:
    """Check for a GPU that PyTorch sees and has kernels for; if there is none, find the first cause."""
    if not facts.torch.gpus:
        found, remedy = _why_none(facts)
        return Check("GPU", "bad", found, "one that PyTorch sees, for quick and full", remedy, REAL_IMAGES)
    gpu, count = facts.torch.gpus[0], len(facts.torch.gpus)
    others = f"; {count - 1} more, not used" if count > 1 else ""
    found = f"{gpu.name}, compute capability {_dotted(gpu.capability)}{others}"
    if not facts.torch.architectures or _has_kernels(gpu, facts.torch.architectures):
        return Check("GPU", "good", found)
    compiled = ", ".join(facts.torch.architectures)
    older = all(gpu.capability < _capability(name) for name in facts.torch.architectures)
    build = "one for an older CUDA" if older else "a newer one"
    remedy = f"install another build of PyTorch, {build} ({_TORCH_PAGE}); until then --device cpu"
    needed = f"one that PyTorch {facts.torch.version} has kernels for: {compiled}"
    return Check("GPU", "bad", found, needed, remedy, STUDIES)


def check_gpu_memory(facts: Facts) -> Check | None:
    """Check for memory to train at batch 128, and find where the images are kept, by the rule of data/batches.py."""
    if not facts.torch.gpus:
        return None
    gpu = facts.torch.gpus[0]
    on_gpu = gpu.free > UNLABELED_BYTES + MODEL_BYTES
    too_big = [encoder for encoder, count in TRAINING_BYTES.items() if count > gpu.free]
    path = "the images are kept on the GPU" if on_gpu else "the images are copied from main memory batch by batch"
    found = f"{amount(gpu.total)}, {amount(gpu.free)} free: {path}"
    training = ", ".join(f"{encoder} {amount(count)}" for encoder, count in TRAINING_BYTES.items())
    images = amount(UNLABELED_BYTES)
    needed = (
        f"{amount(UNLABELED_BYTES + MODEL_BYTES)} free to keep all {images} of images there; training needs {training}"
    )
    if too_big:
        blocks = REAL_IMAGES if "cnn" in too_big else ("full",)
        remedy = "close other programs on the GPU (nvidia-smi lists them), use a larger GPU, or try --precision bf16"
        found += f"; not enough to train {' or '.join(too_big)}"
        return Check("GPU memory", "bad", found, needed, remedy, blocks)
    if not on_gpu:
        remedy = "optional: free more memory for faster training (nvidia-smi lists the programs that use it)"
        return Check("GPU memory", "warning", found, needed, remedy)
    return Check("GPU memory", "good", found, needed)


def _why_none(facts: Facts) -> tuple[str, str]:
    """Return why PyTorch sees no GPU, and the remedy: the first cause in the chain from hardware to PyTorch."""
    nvidia, visible = facts.nvidia, facts.environment.get("CUDA_VISIBLE_DEVICES")
    inside = _PASS.get(facts.container, _PASS_DOCKER)
    if facts.container and (hidden := _hidden_by_runtime(facts)):
        return hidden
    if facts.container and not (nvidia.device_files and nvidia.cuda):  # devices, and the driver's library
        if nvidia.present:
            return "the machine has an NVIDIA GPU, but this container has no access to it", inside
        return "no NVIDIA GPU in this container", f"if the host has one, {inside}. Without a GPU: {_WITHOUT}"
    if not nvidia.present:
        return "no NVIDIA GPU in this machine", f"use a machine with one. Without a GPU: {_WITHOUT}"
    if visible is not None and _hides_all(visible, max(len(nvidia.names), nvidia.on_bus)):
        return f"CUDA_VISIBLE_DEVICES={visible!r} hides every GPU", "unset CUDA_VISIBLE_DEVICES, or set it to 0"
    if not facts.torch.cuda:
        return "PyTorch is a CPU-only build", "install a CUDA build (see PyTorch)"
    driver = check_driver(facts)
    if driver is not None and driver.state == "bad":
        return "PyTorch cannot use it with this driver", "see NVIDIA driver"
    reason = facts.torch.complaint or nvidia.complaint or "no reason given"
    return f"PyTorch sees none: {reason}", "check if nvidia-smi lists the GPU; if it does, reboot or reinstall PyTorch"


def _hidden_by_runtime(facts: Facts) -> tuple[str, str] | None:
    """Return cause and remedy if environment variables or a reload on the host keep the GPU from a container.

    Source: NVIDIA Container Toolkit, Specialized Configurations with Docker, and Troubleshooting.
    """
    visible = facts.environment.get("NVIDIA_VISIBLE_DEVICES", "all")
    capabilities = facts.environment.get("NVIDIA_DRIVER_CAPABILITIES", "all")
    if visible in ("", "none", "void") and not facts.nvidia.device_files:  # CDI sets "void" and adds devices
        return f"NVIDIA_VISIBLE_DEVICES={visible!r} keeps every GPU from this container", "unset it, or set it to all"
    if facts.nvidia.device_files and not facts.nvidia.cuda and not {"all", "compute"} & set(capabilities.split(",")):
        remedy = "start it with -e NVIDIA_DRIVER_CAPABILITIES=compute,utility"
        return f"NVIDIA_DRIVER_CAPABILITIES={capabilities!r} leaves out the driver's CUDA library", remedy
    if facts.nvidia.device_files and "NVML: Unknown Error" in facts.nvidia.complaint:
        found = f"this container has lost the GPU ({facts.nvidia.complaint}), as after a reload of the host's systemd"
        return found, "start a new container; the run resumes"
    return None


def _driver_bad(found: str, needed: str, remedy: str) -> Check:
    return Check("NVIDIA driver", "bad", found, needed, remedy, REAL_IMAGES)


def _driver_found(facts: Facts) -> str:
    newest = f", which supports CUDA {facts.nvidia.cuda} and older" if facts.nvidia.cuda else ""
    return f"{facts.nvidia.driver or 'unknown'}{newest}"


def _least_driver(build: str) -> str:
    """Return the oldest driver for a build; CPU-only and unknown newer builds count as the newest CUDA known here."""
    major = int(build.partition(".")[0]) if build else max(DRIVERS)
    return DRIVERS.get(major, DRIVERS[max(DRIVERS)])


def _too_old(facts: Facts) -> bool:
    build, supported = facts.torch.cuda, facts.nvidia.cuda
    if not build:
        return False
    if supported and int(supported.partition(".")[0]) < int(build.partition(".")[0]):
        return True
    return _numbers(facts.nvidia.driver) < _numbers(_least_driver(build))


def _newest_fitting(driver: str) -> int | None:
    """Return the newest major version of CUDA whose builds run on the driver."""
    return max((major for major, oldest in DRIVERS.items() if _numbers(driver) >= _numbers(oldest)), default=None)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _dotted(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"


def _capability(architecture: str) -> tuple[int, int]:
    """Return (major, minor) of an architecture: "sm_90a" -> (9, 0), "compute_120" -> (12, 0)."""
    number = int(re.sub(r"\D", "", architecture) or 0)
    return number // 10, number % 10


def _has_kernels(gpu: Gpu, architectures: tuple[str, ...]) -> bool:
    """Return True if a build for these architectures runs on the GPU.

    Machine code runs on GPUs of the same major version and the same or a later minor version; PTX on all later ones.

    Source: CUDA C++ Programming Guide, Binary Compatibility and PTX Compatibility.
    """
    for name in architectures:
        compiled = _capability(name)
        same_major = compiled[0] == gpu.capability[0]
        exact = name.endswith("a")  # "sm_90a": for this one architecture only
        if name.startswith("compute_") and compiled <= gpu.capability and not exact:
            return True
        if compiled == gpu.capability or (same_major and not exact and compiled <= gpu.capability):
            return True
    return False


def _hides_all(visible: str, count: int) -> bool:
    """Return True if CUDA_VISIBLE_DEVICES hides all `count` GPUs.

    CUDA reads the list up to its first entry that is not a GPU; names (GPU-..., MIG-...) are assumed to exist.
    """
    first = visible.partition(",")[0].strip()
    if first.startswith(("GPU-", "MIG-")):
        return False
    return not first.isdigit() or (count > 0 and int(first) >= count)
