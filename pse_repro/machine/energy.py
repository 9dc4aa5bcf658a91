"""Energy that a run took, from the kernel's powercap counters."""

from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
_JOULE = 1_000_000  # microjoules


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
