"""Provenance of results: versions, code, machine and data."""

import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pse_repro.machine.device import Machine, settings

PACKAGES = ("pse-repro", "torch", "torchvision", "kornia", "numpy", "scikit-learn", "pandas")


def provenance(data: Mapping[str, Any], machine: Machine) -> dict[str, Any]:
    """Return the provenance of a cell's numbers, without seeds and durations, which the runner adds."""
    return {
        "versions": {"python": platform.python_version()} | {package: _version(package) for package in PACKAGES},
        "git": git_state(),
        "platform": platform.platform(),
        "device": machine.describe(),
        "precision": machine.precision,
        "deterministic": machine.deterministic,
        "settings": settings(),
        "data": data,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_state() -> dict[str, Any] | None:
    """Return commit and dirty state of the package's checkout, or None if it is not installed from a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(root)]
        commit = subprocess.run(
            [*command, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        status = subprocess.run([*command, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "dirty": bool(status.strip())}
