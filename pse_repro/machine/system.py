"""Processor, memory, folders and containers, read from the operating system; most complete on Linux.

Sources: proc(5), cgroups(7), the kernel's cgroup-v1 and cgroup-v2 documentation.
"""

import os
import platform
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from pse_repro.files import can_write, nearest_existing

SAMPLE_SECONDS = 0.3  # interval over which busy cores are measured
_BF16 = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16", "bf16": "Arm's BF16"}  # flags in /proc/cpuinfo
_CONTAINERS = {".dockerenv": "docker", "run/.containerenv": "podman", ".singularity.d": "apptainer"}


@dataclass(frozen=True)
class Cpu:
    """The part of the processor that this process may use."""

    name: str
    cores: float  # limited by the process's affinity and its cgroup's quota; may be a fraction
    busy: float  # cores in use by other processes, measured while this one sleeps
    threads: int  # number of threads that PyTorch uses
    bf16: str  # name of the bfloat16 instructions, empty if there are none


@dataclass(frozen=True)
class Memory:
    """Main memory that this process may use, in bytes."""

    total: int
    available: int
    limited: bool = False  # by a cgroup, as in a container or a batch job


@dataclass(frozen=True)
class Folder:
    """A folder that may not exist yet; the facts are then those of its nearest existing parent."""

    path: Path
    exists: bool
    writable: bool  # for this user; False if that parent is a file
    free: int  # bytes
    filesystem: int  # device number; folders with the same number share their free space


def read_cpu(root: Path = Path("/")) -> Cpu:
    """Return the processor and its load; takes SAMPLE_SECONDS."""
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    name = re.search(r"^model name\s*:\s*(.+)$", text_of(root / "proc/cpuinfo"), re.MULTILINE)
    before = _ticks(root, cpus)
    time.sleep(SAMPLE_SECONDS)
    after = _ticks(root, cpus)
    return Cpu(
        name=name[1].strip() if name else platform.processor() or platform.machine(),
        cores=min([float(len(cpus)), *_quotas(root)]),
        busy=_busy(before, after) if before else os.getloadavg()[0],
        threads=torch.get_num_threads(),
        bf16=_bf16(_cpu_flags(root)),
    )


def lacks_bf16(root: Path = Path("/")) -> bool:
    """Return True if the processor is known to have no bfloat16 instructions; False, too, where it does not tell."""
    flags = _cpu_flags(root)
    return bool(flags) and not _bf16(flags)


def _bf16(flags: list[str]) -> str:
    return next((words for flag, words in _BF16.items() if flag in flags), "")


def _cpu_flags(root: Path) -> list[str]:
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text_of(root / "proc/cpuinfo"), re.MULTILINE)
    return found[1].split() if found else []


def read_memory(root: Path = Path("/")) -> Memory:
    """Return total and available memory, within the limits of the cgroups; page cache counts as available."""
    kilobytes = dict(re.findall(r"^(\w+):\s+(\d+) kB$", text_of(root / "proc/meminfo"), re.MULTILINE))
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # for systems without /proc
    total = 1024 * int(kilobytes["MemTotal"]) if "MemTotal" in kilobytes else installed
    available = 1024 * int(kilobytes["MemAvailable"]) if "MemAvailable" in kilobytes else total
    memory = Memory(total, available)
    for folder in _cgroups(root, "memory"):
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        if limit and limit < memory.total:
            used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes")
            # cgroup v1 lists the group's own value and the total with its children
            cached = re.findall(r"^(?:total_)?inactive_file (\d+)$", text_of(folder / "memory.stat"), re.MULTILINE)
            left = max(0, limit - used + max(map(int, cached), default=0))
            memory = Memory(limit, min(memory.available, left), limited=True)
    return memory


def read_folder(path: Path) -> Folder:
    """Return the permission to write to a folder and its free space (disk quotas are not considered)."""
    nearest = nearest_existing(path)
    place = nearest if os.path.isdir(nearest) else nearest.parent
    return Folder(path, os.path.isdir(path), can_write(path), shutil.disk_usage(place).free, os.stat(place).st_dev)


def read_container(root: Path = Path("/")) -> str:
    """Return "docker", "podman", "apptainer" or "other", or an empty string outside of containers."""
    for mark, kind in _CONTAINERS.items():
        if (root / mark).exists():
            return kind
    groups = text_of(root / "proc/1/cgroup") + text_of(root / "proc/self/cgroup")
    return "other" if re.search(r"docker|containerd|kubepods|libpod|lxc", groups) else ""


def _ticks(root: Path, cpus: set[int]) -> list[tuple[int, int]]:
    """Return (all, idle) clock ticks of these CPUs so far; time that a hypervisor steals counts as busy."""
    ticks = []
    for line in text_of(root / "proc/stat").splitlines():
        name, *counts = line.split() or [""]
        if re.fullmatch(r"cpu\d+", name) and int(name[3:]) in cpus:
            numbers = [int(count) for count in counts[:8]]  # guest ticks follow, already included in user ticks
            ticks.append((sum(numbers), numbers[3] + numbers[4]))
    return ticks


def _busy(before: list[tuple[int, int]], after: list[tuple[int, int]]) -> float:
    shares = [
        1 - (idle_after - idle_before) / (all_after - all_before)
        for (all_before, idle_before), (all_after, idle_after) in zip(before, after, strict=False)
        if all_after > all_before
    ]
    return sum(min(max(share, 0.0), 1.0) for share in shares)


def _quotas(root: Path) -> list[float]:
    """Return the CPU quotas of the cgroup and its parents, in cores."""
    found = []
    for folder in _cgroups(root, "cpu"):
        words = text_of(folder / "cpu.max").split()
        quota, period = words if len(words) == 2 else ("", "")
        if not quota:
            quota, period = text_of(folder / "cpu.cfs_quota_us").strip(), text_of(folder / "cpu.cfs_period_us").strip()
        if quota.isdigit() and period.isdigit() and int(period):  # "max" and -1: no limit
            found.append(int(quota) / int(period))
    return found


def _cgroups(root: Path, controller: str) -> list[Path]:
    """Return the folders of the process's cgroup and its parents, for both versions of cgroups.

    In a container only the topmost one may exist.
    """
    folders = []
    for line in text_of(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "" or controller in controllers.split(","):
            for mount in (
                {controllers, controller} if controllers else {""}
            ):  # "cpu,cpuacct": a link "cpu" may be missing
                base = root / "sys/fs/cgroup" / mount
                place = base / path.lstrip("/")
                folders += [folder for folder in (place, *place.parents) if folder == base or base in folder.parents]
    return folders


def _number(path: Path) -> int:
    """Return the number in a file, or 0 if there is none or it is "max"."""
    text = text_of(path).strip()
    return int(text) if text.isdigit() else 0


def text_of(path: Path) -> str:
    """Return the text of a small file, or an empty string if it cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
