"""Checks of everything except the GPU: each problem is found and has a finding, a need and a remedy."""

import os
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from pse_repro.doctor import checks
from pse_repro.doctor.checks import (
    check_bf16,
    check_cache_folder,
    check_cpu,
    check_data_folder,
    check_images,
    check_memory,
    check_python,
    check_run_folder,
    check_volumes,
)
from pse_repro.doctor.images import Images
from pse_repro.doctor.needs import run_bytes
from pse_repro.text import amount
from tests.support.invented_machines import GB, H200, machine, without_gpu

NONE = Images(Path("/data"), "none")


def test_a_good_machine_is_good_throughout() -> None:
    found = [judged for check in checks.CHECKS if (judged := check(machine())) is not None]
    assert len(found) == len(checks.CHECKS) - 1  # there is none on volumes
    assert [check.state for check in found] == ["good"] * len(found)
    assert not any(check.remedy or check.blocks for check in found)


@pytest.mark.parametrize("version", ["3.10.14", "3.14.0"])
def test_another_python(version: str) -> None:
    check = check_python(machine(python=version))
    assert (check.state, check.found, check.needed) == ("bad", f"{version}, pse-repro 0.1.0", "3.11 to 3.13")
    assert check.remedy == "create a virtual environment with python3.13 and install the kit in it"
    assert check.blocks == ("smoke", "quick", "full")


def test_the_pythons_are_those_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    least, below = (".".join(map(str, version)) for version in checks.PYTHONS)
    assert project["requires-python"] == f">={least},<{below}"


def test_bf16_on_the_device_that_is_used() -> None:
    assert check_bf16(machine()).found == "native on this GPU: --precision bf16 is faster"
    turing = machine(torch={"gpus": (replace(H200, capability=(7, 5)),)})
    assert check_bf16(turing).found.startswith("not native on this GPU: --precision fp32, the default")
    assert check_bf16(turing).needed == "compute capability 8.0 (Ampere) or newer"
    assert check_bf16(turing).state == "good"  # it was not requested
    assert check_bf16(without_gpu()).found.startswith("native on this CPU (AVX512-BF16)")
    asked = check_bf16(without_gpu(cpu={"bf16": ""}, speed={"device": "cpu", "precision": "bf16"}))
    assert asked.state == "warning"
    assert asked.found.startswith("not native on this CPU")
    assert asked.needed == "AVX512-BF16 or AMX (x86), BF16 (Arm)"
    assert asked.remedy == "omit --precision bf16"


def test_more_threads_than_usable_cores() -> None:
    check = check_cpu(machine(cpu={"cores": 2.5, "threads": 64}))
    assert check.state == "warning"
    assert check.found == "AMD EPYC: 2.5 usable cores, PyTorch uses 64 threads"
    assert check.needed == "one core per thread; with fewer, training is several times slower"
    assert check.remedy == "export OMP_NUM_THREADS=2"


def test_cores_that_others_keep_busy() -> None:
    facts = machine(cpu={"cores": 2.0, "threads": 2, "busy": 0.9}, environment={"OMP_NUM_THREADS": "2"})
    check = check_cpu(facts)
    assert check.state == "warning"
    assert "uses 2 threads (OMP_NUM_THREADS=2); other programs keep 0.9 cores busy" in check.found
    assert check.remedy == (
        "wait until they finish, or export OMP_NUM_THREADS=1; the estimated times are too long"
    )  # fmt: skip
    assert "OMP_NUM_THREADS" not in check_cpu(machine(cpu={"cores": 1.0, "threads": 1, "busy": 1.0})).remedy
    assert check_cpu(machine(cpu={"cores": 2.0, "threads": 2, "busy": 0.2})).state == "good"
    assert check_cpu(machine(cpu={"cores": 0.5, "threads": 1, "busy": 0.0})).state == "warning"


def test_too_little_memory() -> None:
    little = check_memory(machine(memory={"total": 2 * GB, "available": GB, "limited": True}))
    assert (little.state, little.blocks) == ("bad", ("smoke", "quick", "full"))
    assert little.found == "2.0 GB, limited by a cgroup (a container or a batch job), 1.0 GB available"
    assert little.needed == "1.6 GB"
    assert "docker run --memory" in little.remedy
    some = check_memory(without_gpu(memory={"available": 3 * GB}))
    assert (some.state, some.needed) == ("warning", "1.6 GB; full on a CPU 4.5 GB")
    assert some.remedy == "close other programs, before running full on this CPU"
    assert check_memory(machine(memory={"available": 3 * GB})).state == "good"  # the GPU's memory is what counts


def test_images_that_are_not_there() -> None:
    check = check_images(machine(images=NONE))
    assert (check.state, check.found) == ("warning", "none in /data")
    assert check.needed == "STL-10, for quick and full; smoke draws its own images"
    assert check.remedy.startswith("pse-repro data fetch --data /data: 2.6 GB from ai.stanford.edu")
    assert check_images(machine(images=NONE, data_named=False)).remedy.startswith("pse-repro data fetch: 2.6 GB")
    begun = check_images(machine(images=replace(NONE, archive_bytes=GB)))
    assert begun.found == "none in /data; 1.0 GB of the archive downloaded"


def test_images_that_are_something_else() -> None:
    other = check_images(machine(images=Images(Path("/photos"), "other", {"unlabeled": 2000, "train": 10, "test": 9})))
    assert other.state == "warning"
    assert other.found == "images other than STL-10 in /photos: 2,000 unlabeled, 10 train, 9 test"
    assert other.remedy.endswith("pse-repro data fetch --data ANOTHER_FOLDER")
    damaged = check_images(machine(images=Images(Path("/data"), "damaged", problem="test_y.bin is missing")))
    assert (damaged.state, damaged.blocks) == ("bad", ("smoke", "quick", "full"))
    assert damaged.found == "/data: test_y.bin is missing"
    assert "pse-repro data fetch" in damaged.remedy


def test_official_sizes_are_no_proof() -> None:
    assert "pse-repro data verify checks the contents" in check_images(machine()).found


def test_a_disk_too_small_for_the_images() -> None:
    facts = machine(images=NONE, data={"free": 4 * GB})
    check = check_data_folder(facts)
    assert (check.state, check.found, check.blocks) == ("bad", "/data: 4.0 GB free", ("quick", "full"))
    assert check.needed == "5.8 GB to download and unpack STL-10"
    assert check.remedy == "free 1.8 GB, or name a folder on another disk with --data (or PSE_REPRO_DATA)"
    archived = replace(facts, images=replace(NONE, archive_bytes=2_640_397_119))
    assert check_data_folder(archived).state == "good"
    assert check_data_folder(archived).needed.startswith("3.1 GB")
    assert check_data_folder(machine(data={"free": 0, "writable": False})).state == "good"  # the images are there


def test_a_disk_too_small_for_a_run() -> None:
    check = check_run_folder(machine(runs={"free": 3 * 10**8}))
    assert (check.state, check.blocks) == ("bad", ("full",))
    assert check.found == "runs: 300 MB free"
    assert check.needed == f"{amount(run_bytes('full'))} for full"
    assert check.remedy.endswith("name a folder on another disk with --out (or PSE_REPRO_OUT)")
    assert check_run_folder(machine(runs={"free": 10**6})).blocks == ("smoke", "quick", "full")


def test_a_run_beside_the_images_that_are_yet_to_come() -> None:
    room = run_bytes("full") + 10**9
    facts = machine(images=NONE, data={"free": room, "filesystem": 2}, runs={"free": room})
    assert check_run_folder(facts).blocks == ("quick", "full")
    assert check_run_folder(facts).needed.endswith("GB for full, and 5.8 GB for STL-10 on the same disk")
    assert check_run_folder(replace(facts, runs=replace(facts.runs, filesystem=3))).state == "good"


def test_folders_that_may_not_be_written() -> None:
    closed = {"exists": False, "writable": False}
    runs = check_run_folder(machine(runs=closed))
    assert (runs.state, runs.blocks) == ("bad", ("smoke", "quick", "full"))
    assert runs.found == "runs, not created yet: no write permission"
    assert runs.remedy.startswith("name another folder with --out (or PSE_REPRO_OUT)")
    data = check_data_folder(machine(images=NONE, data=closed))
    assert data.blocks == ("quick", "full")
    assert "--data (or PSE_REPRO_DATA)" in data.remedy
    home = check_cache_folder(machine(sample=False, cache=closed))
    assert (home.state, home.blocks) == ("bad", ("smoke",))
    assert home.found.startswith("/cache/pse-repro, not created yet: no write permission")
    assert home.needed == "133 MB for the embedded sample, which smoke draws once"
    assert "XDG_CACHE_HOME" in home.remedy
    assert check_cache_folder(machine(cache=closed)).state == "good"  # it was drawn before
    temporary = check_cache_folder(machine(cache={"path": Path("/tmp", f"pse-repro-{os.getuid()}")}))
    assert (temporary.state, temporary.remedy) == ("warning", "set HOME, or XDG_CACHE_HOME and XDG_DATA_HOME")


def test_a_container_s_folders_that_may_not_be_written_are_to_be_mounted() -> None:
    closed = {"path": Path("/runs"), "writable": False}
    runs = check_run_folder(machine(container="docker", runs=closed))
    assert runs.found == "/runs: no write permission"
    assert runs.remedy == 'docker run --user "$(id -u):$(id -g)" -v DIR:/runs ..., with a DIR of your own'
    data = check_data_folder(machine(container="podman", images=NONE, data={"writable": False}))
    assert "-v DIR:/data" in data.remedy
    cache = check_cache_folder(machine(container="docker", sample=False, cache={"writable": False}))
    assert cache.remedy == "docker run --tmpfs /tmp -e XDG_CACHE_HOME=/tmp/cache ..."
    assert check_run_folder(machine(container="apptainer", runs=closed)).remedy.startswith("name another folder")


def test_what_goes_with_a_container() -> None:
    assert check_volumes(machine(container="docker")) is None
    places = (Path("/data"), Path("/runs"))
    check = check_volumes(machine(container="docker", lost=places))
    assert check is not None
    assert (check.state, check.blocks) == ("warning", ())
    assert check.found == "/data and /runs: files written there are lost with this container"
    assert check.remedy.startswith('docker run --user "$(id -u):$(id -g)" -v DIR:/data -v DIR:/runs ...')


def test_images_that_a_container_was_not_given() -> None:
    check = check_images(machine(container="docker", images=NONE, lost=(Path("/data"),)))
    assert check.remedy.startswith("if the host has them, docker run --user")
    assert "; if not, pse-repro data fetch --data /data: 2.6 GB" in check.remedy
    kept = check_images(machine(container="docker", images=NONE))
    assert kept.remedy.startswith("pse-repro data fetch")


def test_a_full_disk_under_a_container() -> None:
    full = machine(container="docker", runs={"path": Path("/runs"), "free": 0}, lost=(Path("/runs"),))
    assert check_run_folder(full).remedy.endswith("-v DIR:/runs ..., with a DIR of your own")
    mounted = check_run_folder(replace(full, lost=()))
    assert mounted.remedy.endswith("name a folder on another disk with --out (or PSE_REPRO_OUT)")
