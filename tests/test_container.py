"""Checks of the image's definition and its lock files that need no container engine."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.version import Version

from pse_repro.files import cache_home

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PLATFORMS = [
    {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
]
MACHINES = [
    platform | {"python_version": python, "python_full_version": f"{python}.9"}
    for platform in PLATFORMS
    for python in ("3.11", "3.12", "3.13")
]


def needed_by(extra: str) -> list[str]:
    """Return the requirements of an extra, including those of other extras that it names."""
    lines = PROJECT["project"]["optional-dependencies"][extra]
    own = {line: Requirement(line).extras for line in lines if Requirement(line).name == PROJECT["project"]["name"]}
    others = [line for extras in own.values() for name in extras for line in needed_by(name)]
    return [line for line in lines if line not in own] + others


NEEDED = {
    "run": PROJECT["project"]["dependencies"],
    "test": PROJECT["project"]["dependencies"] + needed_by("test"),
    "build": PROJECT["build-system"]["requires"],
}
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
INSTRUCTIONS = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]


def read_lock(name: str) -> list[tuple[Requirement, list[str]]]:
    """Return the requirements of a lock file in order, each with its hashes."""
    text = (ROOT / f"requirements/{name}.lock").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    split = [line.split(" --hash=") for line in lines]
    return [(Requirement(first), [text.strip() for text in hashes]) for first, *hashes in split]


def versions(name: str, machine: dict[str, str]) -> list[tuple[str, str]]:
    """Return (package, version) of everything that the lock file installs on a machine."""
    needed = [requirement for requirement, _ in read_lock(name) if on(requirement.marker, machine)]
    return [(requirement.name, str(requirement.specifier).removeprefix("==")) for requirement in needed]


def on(marker: Marker | None, machine: dict[str, str]) -> bool:
    return marker is None or marker.evaluate(machine)


def instructions(word: str) -> list[str]:
    return [rest for first, rest in INSTRUCTIONS if first == word]


@pytest.mark.parametrize("name", NEEDED)
def test_everything_that_is_locked_has_one_version_and_its_hashes(name: str) -> None:
    locked = read_lock(name)
    assert len(locked) >= len(NEEDED[name])
    for requirement, hashes in locked:
        assert re.fullmatch(r"==[\w.+!]+", str(requirement.specifier)), requirement
        assert requirement.url is None
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", text) for text in hashes), requirement


@pytest.mark.parametrize("name", NEEDED)
def test_a_lock_file_names_no_host_and_no_folder(name: str) -> None:
    text = (ROOT / f"requirements/{name}.lock").read_text()
    assert not re.search(r"://|--(index|extra-index|find-links|trusted-host)|file:| @ |(?<!\S)/", text)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: "-".join(machine.values()))
@pytest.mark.parametrize("name", NEEDED)
def test_a_lock_file_meets_what_the_project_needs_on_every_machine(name: str, machine: dict[str, str]) -> None:
    installed = versions(name, machine)
    locked = dict(installed)
    assert len(locked) == len(installed), "a package is locked in two versions for one machine"
    for line in NEEDED[name]:
        needed = Requirement(line)
        assert needed.specifier.contains(Version(locked[needed.name])), f"{line}, locked is {locked[needed.name]}"


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: "-".join(machine.values()))
def test_tests_run_on_the_versions_of_the_image(machine: dict[str, str]) -> None:
    assert set(versions("run", machine)) <= set(versions("test", machine))


def test_every_stage_stands_on_the_base_that_can_be_chosen() -> None:
    (default,) = instructions("ARG")[:1]
    base = re.fullmatch(r"BASE_IMAGE=python:(\d\.\d+)-slim-\w+", default)
    assert base
    assert f"Programming Language :: Python :: {base[1]}" in PROJECT["project"]["classifiers"]
    assert [line.split()[0] for line in instructions("FROM")] == ["${BASE_IMAGE}"] * 2


def test_nothing_is_installed_without_its_hash() -> None:
    installs = [command for line in instructions("RUN") for command in line.split("&&") if " install " in command]
    installs = [command for command in installs if "pip" in command]
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes -r" in command or "--no-deps --no-index" in command, command
    assert all("--no-build-isolation" in line for line in instructions("RUN") if "pip wheel" in line)


def test_dependencies_are_a_layer_of_their_own_before_the_source() -> None:
    runtime = DOCKERFILE[DOCKERFILE.index("AS runtime") :]
    assert [line.split()[1] for line in runtime.splitlines() if line.startswith("COPY")] == ["requirements/run.lock"]
    assert runtime.index("run.lock") < runtime.index("from=wheel") < runtime.index("ARG REVISION")


def test_how_the_image_is_started_and_stopped() -> None:
    assert [json.loads(line) for line in instructions("ENTRYPOINT") + instructions("CMD")] == [
        list(PROJECT["project"]["scripts"]),
        ["--help"],
    ]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]  # the CLI handles it, also as PID 1
    assert instructions("USER") == ["${UID}:${UID}"]
    assert re.search(r"^ARG UID=[1-9]\d{3,}$", DOCKERFILE, re.MULTILINE)


def test_what_is_written_goes_to_volumes_and_tmp(monkeypatch: pytest.MonkeyPatch) -> None:
    (variables,) = (dict(re.findall(r"(\w+)=(\S+)", line)) for line in instructions("ENV") if "PSE_REPRO" in line)
    assert json.loads(instructions("VOLUME")[0]) == ["/data", "/runs"]
    assert variables["PSE_REPRO_DATA_HOME"] == "/data"
    assert "PSE_REPRO_OUT" not in variables  # it names one run's folder
    assert instructions("WORKDIR")[-1] == "/"  # the default run folder, runs/STUDY, is relative to it
    assert variables["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert set(variables["NVIDIA_DRIVER_CAPABILITIES"].split(",")) == {"compute", "utility"}
    monkeypatch.setenv("XDG_CACHE_HOME", variables["XDG_CACHE_HOME"])
    assert cache_home().is_relative_to("/tmp")
    assert variables["HOME"] == "/tmp"


def test_only_what_the_image_is_made_of_enters_the_build() -> None:
    first, *others = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert first == "*"
    let_in = {line.removeprefix("!") for line in others if line.startswith("!")}
    assert {"requirements/*.lock", "pse_repro", "pyproject.toml"} <= let_in
    copied = {word for line in instructions("COPY") for word in line.split()[:-1]}
    assert {re.sub(r"/\w+\.lock", "/*.lock", word) for word in copied} == let_in
