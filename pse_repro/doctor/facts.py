"""Facts read from the machine; the checks are made from these alone."""

import os
import platform
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from pse_repro import __version__
from pse_repro.data.sample.embedded import SAMPLE_COUNTS, sample_home
from pse_repro.data.stl10 import OFFICIAL_IMAGES
from pse_repro.doctor.images import Images, read_images
from pse_repro.doctor.needs import STUDIES
from pse_repro.evaluation.cost import Costs
from pse_repro.files import data_home
from pse_repro.machine.device import Machine, choose_machine
from pse_repro.machine.nvidia import Nvidia, read_nvidia
from pse_repro.machine.provenance import git_state
from pse_repro.machine.system import Cpu, Folder, Memory, read_container, read_cpu, read_folder, read_memory
from pse_repro.machine.volumes import lost_with_container
from pse_repro.study.estimate import estimate_seconds, measure
from pse_repro.study.load import load_study, study_protocols
from pse_repro.study.prepare import RUNS

_VARIABLES = re.compile(  # environment variables that may change how the kit runs or downloads
    r"(PSE_REPRO|OMP|MKL|KMP|GOMP|NVIDIA|XDG)_.*|(CUDA|CUBLAS|CUDNN|TORCH|PYTORCH).*|(https?|all|no)_proxy|NO_COLOR",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Gpu:
    """A GPU as seen by PyTorch; memory in bytes, where `free` excludes this process's CUDA context."""

    name: str
    capability: tuple[int, int]
    total: int
    free: int


@dataclass(frozen=True)
class Torch:
    """PyTorch's build and the GPUs that it sees."""

    version: str
    cuda: str = ""  # version of CUDA it was built for: "13.2", empty for a CPU-only build
    architectures: tuple[str, ...] = ()  # architectures it has kernels for: "sm_90"
    gpus: tuple[Gpu, ...] = ()
    complaint: str = ""  # PyTorch's message if a CUDA build sees no GPU


@dataclass(frozen=True)
class Speed:
    """Lower bound of each study's seconds on this machine, one seed; empty if the measurement failed with `error`."""

    device: str
    precision: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Facts:
    """Facts about a machine.

    `data_named`: --data was given. `sample`: the embedded sample is stored. `lost`: the folders of images and runs
    that are lost with the container.
    """

    python: str
    kit: str
    git: Mapping[str, Any] | None
    platform: str
    container: str
    versions: Mapping[str, str]
    environment: Mapping[str, str]
    torch: Torch
    nvidia: Nvidia
    cpu: Cpu
    memory: Memory
    images: Images
    data_named: bool
    sample: bool
    data: Folder
    runs: Folder
    cache: Folder
    speed: Speed
    lost: tuple[Path, ...] = ()


def read_facts(data: Path | None, out: Path | None, precision: str = "fp32") -> Facts:
    """Return the facts about this machine; takes about eight seconds, five of them to measure training speed."""
    images, runs = read_images(data or data_home()), out or RUNS
    sample = sample_home()
    cpu = read_cpu()  # first, so that the load is that of other programs
    return Facts(
        python=platform.python_version(),
        kit=__version__,
        git=git_state(),
        platform=platform.platform(),
        container=read_container(),
        versions=_versions(),
        environment={name: value for name, value in sorted(os.environ.items()) if _VARIABLES.fullmatch(name)},
        torch=read_torch(),
        nvidia=read_nvidia(),
        cpu=cpu,
        memory=read_memory(),
        images=images,
        data_named=data is not None,
        sample=read_images(sample).counts == SAMPLE_COUNTS,
        data=read_folder(data or data_home()),
        runs=read_folder(runs),
        cache=read_folder(sample.parent),
        speed=read_speed(images, precision),
        lost=tuple(place for place in (images.path, runs) if lost_with_container(place)),
    )


def read_torch() -> Torch:
    """Return PyTorch's build and view of the GPUs; never raises."""
    cuda, complaint = torch.version.cuda or "", ""
    gpus: tuple[Gpu, ...] = ()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if torch.cuda.is_available():
                gpus = tuple(_gpu(index) for index in range(torch.cuda.device_count()))
            elif cuda:
                torch.cuda.init()
        except Exception as error:  # PyTorch raises errors of several types here
            complaint = str(error)
    complaint = complaint or next((str(warning.message) for warning in caught), "")
    first_line = complaint.strip().partition("\n")[0] if not gpus else ""
    return Torch(torch.__version__, cuda, tuple(torch.cuda.get_arch_list()), gpus, first_line)


def _gpu(index: int) -> Gpu:
    found = torch.cuda.get_device_properties(index)
    free, total = torch.cuda.mem_get_info(index)
    return Gpu(found.name, (found.major, found.minor), total, free)


def read_speed(images: Images, precision: str) -> Speed:
    """Measure the training speed on the device that a run would choose; takes a few seconds."""
    machine = choose_machine("auto", precision)
    try:
        costs = measure(("cnn", "resnet"), machine)
    except RuntimeError as error:  # a GPU without kernels, or without memory
        return Speed(machine.device.type, precision, error=str(error).partition("\n")[0])
    known = images.counts if images.kind in ("stl10", "other") else OFFICIAL_IMAGES
    seconds = {study: _seconds(study, machine, costs, known) for study in STUDIES}
    return Speed(machine.device.type, precision, seconds)


def _seconds(study_name: str, machine: Machine, costs: Mapping[str, Costs], images: Mapping[str, int]) -> float:
    study = load_study(study_name)
    return estimate_seconds(study, study_protocols(study), 1, machine, costs, images)


def _versions() -> dict[str, str]:
    """Return the versions of the kit's dependencies, as listed in its metadata."""
    required = [line for line in metadata.requires("pse-repro") or [] if "extra ==" not in line]
    names = [match[0] for line in required if (match := re.match(r"[\w.-]+", line))]
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "missing"
    return versions
