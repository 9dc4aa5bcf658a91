"""A diagnosis as Markdown for an issue tracker, without personal names and secrets."""

import getpass
import os
import platform
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pse_repro.doctor.diagnosis import Diagnosis
from pse_repro.text import duration

WITHHELD = "(withheld)"
_SECRET = re.compile(r"token|key|passw|pwd|secret|credential|auth", re.IGNORECASE)
_IN_URL = re.compile(r"(\w[\w+.-]*://).*@")  # to the last @ of the line: a password may hold one, or a space
_BEFORE_AT = re.compile(r"\S+@")  # user:password@proxy, as the value of a variable
_ASSIGNED = re.compile(
    r"([\w.-]*(?:token|key|passw|pwd|secret|credential|auth|signature)[\w.-]*=)[^\s&;]+", re.IGNORECASE
)
_SHORT = 4  # characters; a shorter name is replaced only as a whole word, as it may be part of any other


@dataclass(frozen=True)
class Identity:
    """Home folders, user names and host names that identify the user."""

    homes: tuple[str, ...]
    users: tuple[str, ...]
    hosts: tuple[str, ...]

    @classmethod
    def here(cls) -> "Identity":
        named = (str(Path.home()), os.environ.get("HOME", ""), os.path.realpath(Path.home()))
        homes = [home.rstrip("/") for home in named]  # "/" becomes empty and is dropped
        users = [os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER")]
        with suppress(OSError, KeyError):  # a container's user may have no name
            users.append(getpass.getuser())
        users += [os.path.basename(home) for home in homes]
        hosts = [platform.node(), socket.gethostname(), os.environ.get("HOSTNAME", "")]
        hosts += [host.partition(".")[0] for host in hosts]
        return cls(_distinct(homes), _distinct(users), _distinct(hosts, "localhost"))


def bug_report(diagnosis: Diagnosis, identity: Identity | None = None) -> str:
    """Return the report: versions, machine, studies, failed checks and relevant environment variables.

    The home folder is shown as ~, user and host names as USER and HOST; secrets are withheld.
    """
    facts = diagnosis.facts
    git = f"commit {facts.git['commit']}{', changed' if facts.git['dirty'] else ''}" if facts.git else "no checkout"
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    gpus = ", ".join(gpu.name for gpu in facts.torch.gpus) or "none that PyTorch sees"
    driver = f"driver {facts.nvidia.driver or 'none'}, CUDA {facts.nvidia.cuda or 'unknown'}"
    cpu = f"{facts.cpu.name}, {facts.cpu.cores:g} cores ({facts.cpu.busy:.1f} busy), {facts.cpu.threads} threads"
    lines = [
        "### pse-repro doctor",
        "",
        f"- pse-repro {facts.kit}, {git}, Python {facts.python}",
        f"- {versions}",
        f"- {facts.platform}{f', in a container ({facts.container})' if facts.container else ''}",
        f"- CPU: {cpu}",
        f"- memory: {facts.memory.total / 1e9:.1f} GB, {facts.memory.available / 1e9:.1f} GB available",
        f"- PyTorch for CUDA {facts.torch.cuda or '(none)'}; {driver}; GPU: {gpus}",
        f"- images: {facts.images.kind}",
        *_studies(diagnosis),
        *_checks(diagnosis),
        *_variables(facts.environment),
    ]
    return scrub("\n".join(lines), identity or Identity.here()) + "\n"


def scrub(text: str, identity: Identity) -> str:
    """Replace secrets in URLs and assignments, home folders, user names and host names in a text."""
    text = _ASSIGNED.sub(rf"\1{WITHHELD}", _IN_URL.sub(rf"\1{WITHHELD}@", text))
    for home in identity.homes:
        text = re.sub(rf"(?<![\w.-]){re.escape(home)}(?![\w.-])", "~", text)
    for names, word in ((identity.users, "USER"), (identity.hosts, "HOST")):
        for name in names:
            pattern = re.escape(name) if len(name) >= _SHORT else rf"(?<![^\W_]){re.escape(name)}(?![^\W_])"
            text = re.sub(pattern, word, text, flags=re.IGNORECASE)
    return text


def _studies(diagnosis: Diagnosis) -> list[str]:
    parts = []
    for study in diagnosis.studies:
        able = "can run" if study.can_run else f"cannot run ({', '.join(study.blocked_by)})"
        time = "not measured" if study.seconds is None else f"at least {duration(study.seconds)}"
        parts.append(f"{study.name} {able}, {time}")
    speed = diagnosis.facts.speed
    return [f"- studies on {speed.device}, {speed.precision}: {'; '.join(parts)}"]


def _checks(diagnosis: Diagnosis) -> list[str]:
    wrong = [check for check in diagnosis.checks if check.state != "good"]
    if not wrong:
        return ["", "All checks passed."]
    rows = [(check.name, check.state, check.found, check.needed) for check in wrong]
    table = ["| check | state | found | needed |", "| --- | --- | --- | --- |"]
    return [
        "",
        *table,
        *(f"| {' | '.join(_plain(part).replace('|', chr(92) + '|') for part in row)} |" for row in rows),
    ]


def _variables(environment: Mapping[str, str]) -> list[str]:
    if not environment:
        return ["", "No relevant environment variable is set."]
    lines = [f"{name}={WITHHELD if _SECRET.search(name) else _value(text)}" for name, text in environment.items()]
    return ["", "```sh", *lines, "```"]


def _value(text: str) -> str:
    return _BEFORE_AT.sub(f"{WITHHELD}@", _IN_URL.sub(rf"\1{WITHHELD}@", _plain(text)))


def _plain(text: str) -> str:
    """Return the text on one line, without characters that end a block of Markdown."""
    return "".join(letter if letter.isprintable() else " " for letter in text).replace("`", "'")


def _distinct(names: list[str], *ordinary: str) -> tuple[str, ...]:
    """Return each name once, the longest first, so that a name is replaced before its parts are."""
    return tuple(sorted({name for name in names if name and name not in ordinary}, key=len, reverse=True))
