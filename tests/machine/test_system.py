"""Cores, memory, folders and containers are read from the operating system's files."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from pse_repro.machine import system
from pse_repro.machine.system import lacks_bf16, read_container, read_cpu, read_folder, read_memory

UNLIMITED = "9223372036854771712"  # cgroup 1's
MEMINFO = (
    "MemTotal:       32000000 kB\nMemFree:         1000000 kB\nMemAvailable:   20000000 kB\nHugePages_Total:       0\n"
)


def tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(system, "SAMPLE_SECONDS", 0.0)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8.0),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2.5),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 8.0),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "100000 100000\n"}, 1.0),  # one above
        ({"proc/self/cgroup": "0::/gone\n", "sys/fs/cgroup/cpu.max": "300000 100000\n"}, 3.0),  # the host's path
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/docker/1\n0::/\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            1.5,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            8.0,
        ),
        ({"proc/self/cgroup": "0::/\nnonsense\n", "sys/fs/cgroup/cpu.max": "nonsense"}, 8.0),
    ],
)
def test_cores_are_those_of_affinity_and_quota(tmp_path: Path, files: dict[str, str], cores: float) -> None:
    cpu = read_cpu(tree(tmp_path, files))
    assert cpu.cores == cores
    assert cpu.threads == torch.get_num_threads()


@pytest.mark.parametrize(
    ("info", "name", "bf16"),
    [
        ("model name\t: AMD EPYC 9V74\nflags\t\t: fpu avx2 avx512_bf16 sse\n", "AMD EPYC 9V74", "AVX512-BF16"),
        ("model name\t: Xeon\nflags\t\t: avx512_bf16 amx_bf16\n", "Xeon", "AMX"),
        ("model name\t: old\nflags\t\t: fpu avx2\n", "old", ""),
        ("Features\t: fp asimd bf16\n", None, "Arm's BF16"),
    ],
)
def test_the_processors_name_and_its_bf16(tmp_path: Path, info: str, name: str | None, bf16: str) -> None:
    cpu = read_cpu(tree(tmp_path, {"proc/cpuinfo": info}))
    assert (name is None or cpu.name == name, cpu.bf16) == (True, bf16)


def test_busy_cores_are_counted_over_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stat(*rows: str) -> dict[str, str]:
        return {
            "proc/stat": "cpu  9 9 9 9\n"
            + "".join(f"cpu{number} {row}\n" for number, row in enumerate(rows))
            + "intr 1\n"
        }

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    tree(
        tmp_path,
        stat("100 0 0 100 0 0 0 0 0 0", "0 0 0 50 0 0 0 0 0 0", "0 0 0 10 10 0 0 0 0 0", "0 0 0 0 0 0 0 0 0 0"),
    )
    # The first core is fully used, the second half (stolen by the hypervisor), the third not at all (it waits for a
    # disk); the fourth is not in the affinity.
    later = stat("180 0 20 100 0 0 0 0 0 0", "0 0 0 75 0 0 0 25 0 0", "0 0 0 20 100 0 0 0 0 0", "99 0 0 0 0 0 0 0 0 0")
    monkeypatch.setattr("time.sleep", lambda _: tree(tmp_path, later))
    assert read_cpu(tmp_path).busy == pytest.approx(1.5)


def test_memory_is_the_machines(tmp_path: Path) -> None:
    memory = read_memory(tree(tmp_path, {"proc/meminfo": MEMINFO}))
    assert (memory.total, memory.available, memory.limited) == (32_768_000_000, 20_480_000_000, False)
    assert read_memory(tmp_path / "nothing").total > 0  # a system without /proc


@pytest.mark.parametrize(
    "files",
    [
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "4000000000\n",
            "sys/fs/cgroup/memory.current": "3000000000\n",
            "sys/fs/cgroup/memory.stat": "anon 5\ninactive_file 2000000000\n",
        },
        {
            "proc/self/cgroup": "6:memory:/docker/1\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "4000000000\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "3000000000\n",
            "sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 2000000000\n",
        },
    ],
    ids=["version 2", "version 1"],
)
def test_a_cgroups_limit_counts_and_its_page_cache_does_not(tmp_path: Path, files: dict[str, str]) -> None:
    memory = read_memory(tree(tmp_path, files | {"proc/meminfo": MEMINFO}))
    assert memory.total == 4_000_000_000
    assert memory.limited
    assert memory.available == pytest.approx(3_000_000_000, abs=1)


def test_no_limit_is_none(tmp_path: Path) -> None:
    files = {"proc/meminfo": MEMINFO, "proc/self/cgroup": "6:memory:/x\n0::/\n", "sys/fs/cgroup/memory.max": "max\n"}
    files["sys/fs/cgroup/memory/x/memory.limit_in_bytes"] = UNLIMITED
    assert not read_memory(tree(tmp_path, files)).limited


def test_a_folder_that_is_not_there_yet_is_judged_by_its_nearest_parent(tmp_path: Path) -> None:
    there, coming = read_folder(tmp_path), read_folder(tmp_path / "a/b/c")
    assert (there.exists, coming.exists) == (True, False)
    assert there.writable
    assert coming.writable
    assert coming.filesystem == there.filesystem == tmp_path.stat().st_dev
    assert coming.free > 0
    assert coming.path == tmp_path / "a/b/c"


def test_a_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not read_folder(tmp_path / "file/runs").writable


def test_a_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so the kernel's answer is patched."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    if os.geteuid() == 0:
        allowed = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: path != closed and allowed(path, mode))
    assert not read_folder(closed / "new").writable
    assert read_folder(tmp_path / "new").writable


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({}, ""),
        ({".dockerenv": ""}, "docker"),
        ({"run/.containerenv": ""}, "podman"),
        ({".singularity.d/env": ""}, "apptainer"),
        ({"proc/1/cgroup": "0::/kubepods/besteffort/pod1\n"}, "other"),
        ({"proc/self/cgroup": "5:cpu:/docker/1f\n"}, "other"),
        ({"proc/1/cgroup": "0::/init.scope\n"}, ""),
    ],
)
def test_a_container_is_recognised(tmp_path: Path, files: dict[str, str], kind: str) -> None:
    assert read_container(tree(tmp_path, files)) == kind


@pytest.mark.parametrize(
    ("cpuinfo", "lacks"),
    [
        ("flags\t\t: fpu avx2 avx512f\n", True),
        ("flags\t\t: fpu avx512_bf16\n", False),
        ("Features\t: fp asimd\n", True),
        ("Features\t: fp asimd bf16\n", False),
        ("", False),  # another system: unknown
    ],
)
def test_bf16_is_missing_only_where_the_processor_says_so(tmp_path: Path, cpuinfo: str, lacks: bool) -> None:
    assert lacks_bf16(tree(tmp_path, {"proc/cpuinfo": cpuinfo})) == lacks
