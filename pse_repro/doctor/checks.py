"""Checks of everything except the GPU: pure functions of the facts, each returning one line."""

from collections.abc import Callable
from dataclasses import dataclass

from pse_repro.data.sample.embedded import SAMPLE_COUNTS
from pse_repro.data.stl10 import IMAGE_BYTES
from pse_repro.doctor.check import Check
from pse_repro.doctor.facts import Facts
from pse_repro.doctor.gpu_checks import BF16_CAPABILITY
from pse_repro.doctor.needs import (
    ARCHIVE_BYTES,
    FILES_BYTES,
    FULL_MEMORY_BYTES,
    REAL_IMAGES,
    SMOKE_MEMORY_BYTES,
    STUDIES,
    run_bytes,
)
from pse_repro.files import temporary_warning
from pse_repro.machine.system import Folder
from pse_repro.machine.volumes import mount_option
from pse_repro.text import amount

PYTHONS = ((3, 11), (3, 14))  # from, below: pyproject.toml's requires-python
SAMPLE_BYTES = sum(SAMPLE_COUNTS.values()) * IMAGE_BYTES
BUSY_CORES = 0.25  # tolerated load: the system itself uses about a quarter of a core


def check_python(facts: Facts) -> Check:
    """Check for a supported version of Python."""
    found = f"{facts.python}, pse-repro {facts.kit}"
    (least, below), version = PYTHONS, tuple(int(part) for part in facts.python.split(".")[:2])
    needed = f"{least[0]}.{least[1]} to {below[0]}.{below[1] - 1}"
    if least <= version < below:
        return Check("Python", "good", found, needed)
    remedy = f"create a virtual environment with python{below[0]}.{below[1] - 1} and install the kit in it"
    return Check("Python", "bad", found, needed, remedy, STUDIES)


def check_bf16(facts: Facts) -> Check:
    """Check if --precision bf16 is worthwhile on the device that a run would use."""
    if facts.torch.gpus:
        native = facts.torch.gpus[0].capability >= BF16_CAPABILITY
        where, needed = "this GPU", f"compute capability {BF16_CAPABILITY[0]}.{BF16_CAPABILITY[1]} (Ampere) or newer"
    else:
        native, where, needed = bool(facts.cpu.bf16), "this CPU", "AVX512-BF16 or AMX (x86), BF16 (Arm)"
    how = f" ({facts.cpu.bf16})" if native and not facts.torch.gpus else ""
    if native:
        return Check("bf16", "good", f"native on {where}{how}: --precision bf16 is faster", needed)
    found = f"not native on {where}: --precision fp32, the default, is faster"
    if facts.speed.precision == "bf16":
        return Check("bf16", "warning", f"{found}, but bf16 was requested", needed, "omit --precision bf16")
    return Check("bf16", "good", found, needed)


def check_cpu(facts: Facts) -> Check:
    """Check for a usable, idle core for every thread."""
    cpu = facts.cpu
    asked = facts.environment.get("OMP_NUM_THREADS")
    threads = f"{cpu.threads} thread{'s' * (cpu.threads != 1)}" + (f" (OMP_NUM_THREADS={asked})" if asked else "")
    found = f"{cpu.name}: {cpu.cores:g} usable core{'s' * (cpu.cores != 1)}, PyTorch uses {threads}"
    needed = "one core per thread; with fewer, training is several times slower"
    whole, idle = max(1, int(cpu.cores)), cpu.cores - cpu.busy
    if cpu.threads > max(1.0, cpu.cores):
        return Check("CPU", "warning", found, needed, f"export OMP_NUM_THREADS={whole}")
    if cpu.threads > idle + BUSY_CORES:
        found += f"; other programs keep {cpu.busy:.1f} cores busy"
        free = max(1, int(idle + BUSY_CORES))
        fewer = f", or export OMP_NUM_THREADS={free}" if free < cpu.threads else ""
        return Check(
            "CPU", "warning", found, needed, f"wait until they finish{fewer}; the estimated times are too long"
        )
    return Check("CPU", "good", found, needed)


def check_memory(facts: Facts) -> Check:
    """Check for enough main memory for the largest step that runs on the CPU."""
    memory = facts.memory
    by = ", limited by a cgroup (a container or a batch job)" if memory.limited else ""
    found = f"{amount(memory.total)}{by}, {amount(memory.available)} available"
    largest = SMOKE_MEMORY_BYTES if facts.torch.gpus else FULL_MEMORY_BYTES
    needed = f"{amount(SMOKE_MEMORY_BYTES)}" + ("" if facts.torch.gpus else f"; full on a CPU {amount(largest)}")
    more = "close other programs" + (", or raise the limit (docker run --memory, or the batch job's)" if by else "")
    if memory.available < SMOKE_MEMORY_BYTES:
        return Check("memory", "bad", found, needed, more, STUDIES)
    if memory.available < largest:
        return Check("memory", "warning", found, needed, f"{more}, before running full on this CPU")
    return Check("memory", "good", found, needed)


def check_images(facts: Facts) -> Check:
    """Check for the images that quick and full need, by file sizes."""
    images, counts = facts.images, facts.images.counts
    needed = "STL-10, for quick and full; smoke draws its own images"
    if images.kind == "stl10":
        return Check(
            "images", "good", f"STL-10 in {images.path}, by file sizes; pse-repro data verify checks the contents"
        )
    if images.kind == "damaged":
        remedy = "pse-repro data fetch downloads STL-10 again; pse-repro data verify gives details"
        return Check("images", "bad", f"{images.path}: {images.problem}", needed, remedy, STUDIES)
    if images.kind == "none":
        begun = f"; {amount(images.archive_bytes)} of the archive downloaded" if images.archive_bytes else ""
        where = f" --data {images.path}" if facts.data_named else ""
        remedy = f"pse-repro data fetch{where}: {amount(ARCHIVE_BYTES)} from ai.stanford.edu (connection not tested)"
        if images.path in facts.lost:
            remedy = f"if the host has them, {mount_option(images.path)}; if not, {remedy}"
        return Check("images", "warning", f"none in {images.path}{begun}", needed, remedy)
    sizes = ", ".join(f"{count:,} {split}" for split, count in counts.items()) or "a few"
    found = f"images other than STL-10 in {images.path}: {sizes}"
    remedy = "fine for a trial; for comparable numbers, pse-repro data fetch --data ANOTHER_FOLDER"
    return Check("images", "warning", found, needed, remedy)


def check_data_folder(facts: Facts) -> Check:
    """Check for space and permission to store STL-10, if it has yet to be downloaded."""
    left, folder = fetch_bytes(facts), facts.data
    if not left:
        return Check("data folder", "good", f"{folder.path}: nothing to write")
    why = f"{amount(left)} to download and unpack STL-10"
    use = _Use("data folder", why, "--data (or PSE_REPRO_DATA)", REAL_IMAGES)
    return _check_folder(facts, folder, left, use)


def check_run_folder(facts: Facts) -> Check:
    """Check for space and permission for the largest run, in addition to the images if on the same disk."""
    needs = {study: run_bytes(study) for study in STUDIES}
    beside = fetch_bytes(facts) if facts.runs.filesystem == facts.data.filesystem else 0
    also = f", and {amount(beside)} for STL-10 on the same disk" if beside else ""
    why = f"{amount(needs['full'])} for full" + also
    total = {study: need + (beside if study in REAL_IMAGES else 0) for study, need in needs.items()}
    blocked = tuple(study for study in STUDIES if total[study] > facts.runs.free)
    use = _Use("run folder", why, "--out (or PSE_REPRO_OUT)", STUDIES)
    return _check_folder(facts, facts.runs, total["full"], use, blocked)


def check_cache_folder(facts: Facts) -> Check:
    """Check for space and permission for the embedded sample, unless it is stored; finds a read-only home."""
    why = f"{amount(SAMPLE_BYTES)} for the embedded sample, which smoke draws once"
    if facts.cache.writable and (warning := temporary_warning(facts.cache.path)):
        found, _, remedy = warning.partition("; ")
        return Check("cache folder", "warning", found, why, remedy)
    if facts.sample:
        return Check("cache folder", "good", f"{facts.cache.path}: the embedded sample is stored")
    use = _Use("cache folder", why, "XDG_CACHE_HOME", ("smoke",))
    return _check_folder(facts, facts.cache, SAMPLE_BYTES, use)


def check_volumes(facts: Facts) -> Check | None:
    """Check for folders that are lost with a container; None if there are none."""
    if not facts.lost:
        return None
    names = " and ".join(str(place.absolute()) for place in facts.lost)
    found = f"{names}: files written there are lost with this container"
    return Check("volumes", "warning", found, "folders of the host, for images and runs", mount_option(*facts.lost))


def fetch_bytes(facts: Facts) -> int:
    """Return the bytes that downloading STL-10 still writes: 0 if there are images, less with a partial archive."""
    if facts.images.kind in ("stl10", "other", "small"):
        return 0
    return max(0, ARCHIVE_BYTES - facts.images.archive_bytes) + FILES_BYTES


@dataclass(frozen=True)
class _Use:
    """Use of a folder: the need in words, the option to name another folder, the studies that write to it."""

    name: str
    why: str
    option: str
    studies: tuple[str, ...]


def _check_folder(facts: Facts, folder: Folder, need: int, use: _Use, blocked: tuple[str, ...] = ()) -> Check:
    """Check permission and free space; `blocked` names the studies whose need is not met (by default all)."""
    what = "" if folder.exists else ", not created yet"
    found = f"{folder.path}{what}: {amount(folder.free)} free"
    if not folder.writable:
        remedy = _permission(facts, folder) or f"name another folder with {use.option}, or get permission for this one"
        return Check(use.name, "bad", f"{folder.path}{what}: no write permission", use.why, remedy, use.studies)
    if folder.free < need:
        named = f"name a folder on another disk with {use.option}"
        larger = mount_option(folder.path) if folder.path in facts.lost else named
        remedy = f"free {amount(need - folder.free)}, or {larger}"
        return Check(use.name, "bad", found, use.why, remedy, blocked or use.studies)
    return Check(use.name, "good", found, use.why)


def _permission(facts: Facts, folder: Folder) -> str:
    """Return the options of `docker run` that make a folder writable; empty outside of docker-like containers."""
    if facts.container in ("", "apptainer"):
        return ""
    if folder == facts.cache:
        return "docker run --tmpfs /tmp -e XDG_CACHE_HOME=/tmp/cache ..."
    return mount_option(folder.path)


CHECKS: tuple[Callable[[Facts], Check | None], ...] = (
    check_python,
    check_cpu,
    check_bf16,
    check_memory,
    check_images,
    check_data_folder,
    check_run_folder,
    check_cache_folder,
    check_volumes,
)
