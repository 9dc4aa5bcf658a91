"""Processor, memory, folders and containers, read from the operating system; Linux tells most.

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

SAMPLE_SECONDS = 0.3  # over which busy cores are counted
_BF16 = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16", "bf16": "Arm's BF16"}  # flags in /proc/cpuinfo
_CONTAINERS = {".dockerenv": "docker", "run/.containerenv": "podman", ".singularity.d": "apptainer"}


@dataclass(frozen=True)
class Cpu:
    """The processor, as far as this process may use it."""

    name: str
    cores: float  # in the process's affinity, and in its cgroup's quota, which may be a fraction
    busy: float  # cores' worth of work that others do, this process asleep
    threads: int  # that PyTorch computes with
    bf16: str  # the instructions for it, empty where there are none


@dataclass(frozen=True)
class Memory:
    """Bytes of main memory, as far as this process may use it."""

    total: int
    available: int
    limited: bool = False  # by a cgroup, as in a container or a batch job


@dataclass(frozen=True)
class Folder:
    """A folder that may not exist yet; what is said is of its nearest parent that does."""

    path: Path
    exists: bool
    writable: bool  # for this user; a parent that is a file is not
    free: int  # bytes
    filesystem: int  # the same number: the same free bytes


def read_cpu(root: Path = Path("/")) -> Cpu:
    """What the processor is and who uses it: takes SAMPLE_SECONDS."""
    cpus = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    info = text_of(root / "proc/cpuinfo")
    name = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:(.*)$", info, re.MULTILINE)
    known = (flags[1] if flags else "").split()
    before = _ticks(root, cpus)
    time.sleep(SAMPLE_SECONDS)
    after = _ticks(root, cpus)
    return Cpu(
        name=name[1].strip() if name else platform.processor() or platform.machine(),
        cores=min([float(len(cpus)), *_quotas(root)]),
        busy=_busy(before, after) if before else os.getloadavg()[0],
        threads=torch.get_num_threads(),
        bf16=next((words for flag, words in _BF16.items() if flag in known), ""),
    )


def read_memory(root: Path = Path("/")) -> Memory:
    """Total and available, or less where a cgroup limits them; its page cache counts as available."""
    kilobytes = dict(re.findall(r"^(\w+):\s+(\d+) kB$", text_of(root / "proc/meminfo"), re.MULTILINE))
    installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # where there is no /proc
    total = 1024 * int(kilobytes["MemTotal"]) if "MemTotal" in kilobytes else installed
    available = 1024 * int(kilobytes["MemAvailable"]) if "MemAvailable" in kilobytes else total
    memory = Memory(total, available)
    for folder in _cgroups(root, "memory"):
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        if limit and limit < memory.total:
            used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes")
            # version 1 has its own part and, with those below it, the total
            cached = re.findall(r"^(?:total_)?inactive_file (\d+)$", text_of(folder / "memory.stat"), re.MULTILINE)
            left = max(0, limit - used + max(map(int, cached), default=0))
            memory = Memory(limit, min(memory.available, left), limited=True)
    return memory


def read_folder(path: Path) -> Folder:
    """What can be written there: by permission, and by free space (quotas are not seen)."""
    nearest = next((place for place in (path.absolute(), *path.absolute().parents) if os.path.exists(place)), Path("/"))
    writable = os.path.isdir(nearest) and os.access(nearest, os.W_OK | os.X_OK)
    place = nearest if os.path.isdir(nearest) else nearest.parent
    return Folder(path, os.path.isdir(path), writable, shutil.disk_usage(place).free, os.stat(place).st_dev)


def read_container(root: Path = Path("/")) -> str:
    """ "docker", "podman", "apptainer" or "other"; empty outside of containers."""
    for mark, kind in _CONTAINERS.items():
        if (root / mark).exists():
            return kind
    groups = text_of(root / "proc/1/cgroup") + text_of(root / "proc/self/cgroup")
    return "other" if re.search(r"docker|containerd|kubepods|libpod|lxc", groups) else ""


def _ticks(root: Path, cpus: set[int]) -> list[tuple[int, int]]:
    """(all, idle) clock ticks of these CPUs so far; what a hypervisor takes for others counts as busy."""
    ticks = []
    for line in text_of(root / "proc/stat").splitlines():
        name, *counts = line.split() or [""]
        if re.fullmatch(r"cpu\d+", name) and int(name[3:]) in cpus:
            numbers = [int(count) for count in counts[:8]]  # the guests' that follow are in the user's already
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
    """Cores' worth of time that the cgroup and those above it grant."""
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
    """Folders of the process's cgroup and those above it, in both versions; a container may see but the topmost."""
    folders = []
    for line in text_of(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "" or controller in controllers.split(","):
            for mount in {controllers, controller} if controllers else {""}:  # "cpu,cpuacct", with a link "cpu" or not
                base = root / "sys/fs/cgroup" / mount
                place = base / path.lstrip("/")
                folders += [folder for folder in (place, *place.parents) if folder == base or base in folder.parents]
    return folders


def _number(path: Path) -> int:
    """0 where there is none, or "max"."""
    text = text_of(path).strip()
    return int(text) if text.isdigit() else 0


def text_of(path: Path) -> str:
    """A small file's text; empty where it is not there or cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
