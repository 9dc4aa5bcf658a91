"""Where numbers came from: versions, code, machine, data, energy."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pse_repro.data.stl10 import Dataset
from pse_repro.device import Machine

PACKAGES = ("pse-repro", "torch", "torchvision", "kornia", "numpy", "scikit-learn", "pandas")
POWERCAP = Path("/sys/class/powercap")
_JOULE = 1_000_000  # microjoules


def provenance(data: Dataset, machine: Machine) -> dict[str, Any]:
    """What made a cell's numbers, but for its seeds and durations, which the runner adds."""
    return {
        "versions": {"python": platform.python_version()} | {package: _version(package) for package in PACKAGES},
        "git": git_state(),
        "platform": platform.platform(),
        "device": machine.describe(),
        "precision": machine.precision,
        "data": {
            "name": data.name,
            "md5": data.md5,
            "images": {s: len(getattr(data, s)) for s in ("unlabeled", "train", "test")},
        },
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_state() -> dict[str, Any] | None:
    """Commit and dirty state of the checkout this package lies in; None where it is installed from elsewhere."""
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


def energy_joules(folder: Path = POWERCAP) -> float | None:
    """What the processors' packages (Linux: RAPL) have counted so far, together; None where the driver does not tell.

    A counter begins anew when it is full, which takes minutes: `EnergyMeter` makes differences of it. It counts
    everything that runs on the machine.
    """
    read = [_microjoules(path / "energy_uj") for path in _packages(folder)]
    found = [value for value in read if value is not None]
    return sum(found) / _JOULE if found and len(found) == len(read) else None


class EnergyMeter:
    """Energy of the processors' packages since it was made, in joules.

    Ask it after every epoch: the counters begin anew within minutes, and a second time round would go unseen.
    """

    def __init__(self, folder: Path = POWERCAP) -> None:
        self._folder = folder
        self._last, self._total = energy_joules(folder), 0.0
        ranges = [_microjoules(path / "max_energy_range_uj") for path in _packages(folder)]
        self._range = max((value for value in ranges if value), default=0) / _JOULE

    def joules(self) -> float | None:
        """The energy until now; None where the driver does not tell, or has stopped telling."""
        now = energy_joules(self._folder)
        if now is None or self._last is None:
            self._last = None
            return None
        step, self._last = now - self._last, now
        self._total += step % self._range if step < 0 and self._range else max(step, 0.0)
        return self._total


def _packages(folder: Path) -> list[Path]:
    """A package each; what is inside one (cores, memory) has a second number in its name."""
    return sorted(path for path in folder.glob("intel-rapl:*") if path.name.count(":") == 1)


def _microjoules(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # mostly: for root alone
        return None
