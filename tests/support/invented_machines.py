"""Facts of invented machines, so that every bad case can be checked without its hardware."""

from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any

from pse_repro.data.stl10 import OFFICIAL_IMAGES
from pse_repro.doctor.facts import Facts, Gpu, Speed, Torch
from pse_repro.doctor.images import Images
from pse_repro.machine.nvidia import Nvidia
from pse_repro.machine.system import Cpu, Folder, Memory

GB = 1_000_000_000
H200 = Gpu("NVIDIA H200", (9, 0), 150 * GB, 149 * GB)
ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")
DRIVEN = Nvidia(1, True, "580.65.06", "13.0", ("NVIDIA H200",))

GOOD = Facts(
    python="3.12.1",
    kit="0.1.0",
    git={"commit": "c0ffee", "dirty": False},
    platform="Linux-6.8.0-x86_64-with-glibc2.39",
    container="",
    versions={"torch": "2.15.0", "numpy": "2.4.6"},
    environment={},
    torch=Torch("2.15.0", "13.0", ARCHITECTURES, (H200,)),
    nvidia=DRIVEN,
    cpu=Cpu("AMD EPYC", 16.0, 0.1, 16, "AVX512-BF16"),
    memory=Memory(128 * GB, 120 * GB),
    images=Images(Path("/data"), "stl10", OFFICIAL_IMAGES),
    data_named=True,
    sample=True,
    data=Folder(Path("/data"), True, True, 100 * GB, 1),
    runs=Folder(Path("runs"), True, True, 100 * GB, 2),
    cache=Folder(Path("/cache/pse-repro"), True, True, 100 * GB, 2),
    speed=Speed("cuda", "fp32", {"smoke": 20.0, "quick": 600.0, "full": 90_000.0}),
)


def machine(**parts: Any) -> Facts:
    """Return the facts of a good machine with changed parts; a dict changes values within a part."""
    changes = {}
    for name, part in parts.items():
        before = getattr(GOOD, name)
        within = isinstance(part, dict) and is_dataclass(before) and not isinstance(before, type)
        changes[name] = replace(before, **part) if within else part
    return replace(GOOD, **changes)


def without_gpu(**parts: Any) -> Facts:
    """Return the facts of a machine with GPU and driver, whose GPU PyTorch does not see."""
    speed = {"device": "cpu", "seconds": {"smoke": 80.0, "quick": 50_000.0, "full": 9e6}}
    return machine(**({"torch": {"gpus": ()}, "speed": speed} | parts))
