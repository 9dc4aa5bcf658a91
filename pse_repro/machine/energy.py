"""Energy used by a run: the processor's from the kernel's powercap counters, the GPU's from its driver."""

from pathlib import Path

from pse_repro.machine.nvidia import gpu_energy_joules

POWERCAP = Path("/sys/class/powercap")
_JOULE = 1_000_000  # microjoules


def energy_joules(folder: Path = POWERCAP) -> float | None:
    """Return the sum of the processor packages' energy counters in joules (Linux: RAPL), or None if unavailable.

    The counters include everything that runs on the machine. They wrap around within minutes; `EnergyMeter` turns
    them into differences.
    """
    read = [_microjoules(path / "energy_uj") for path in _packages(folder)]
    found = [value for value in read if value is not None]
    return sum(found) / _JOULE if found and len(found) == len(read) else None


class EnergyMeter:
    """Energy of the processor packages since the meter was created, in joules.

    Read it after every epoch: the counters wrap around within minutes, and only one wrap per reading is detected.
    """

    def __init__(self, folder: Path = POWERCAP) -> None:
        self._folder = folder
        self._last, self._total = energy_joules(folder), 0.0
        ranges = [_microjoules(path / "max_energy_range_uj") for path in _packages(folder)]
        self._range = max((value for value in ranges if value), default=0) / _JOULE

    def joules(self) -> float | None:
        """Return the energy used so far, or None if the counters cannot be read or once could not be."""
        now = energy_joules(self._folder)
        if now is None or self._last is None:
            self._last = None
            return None
        step, self._last = now - self._last, now
        self._total += step % self._range if step < 0 and self._range else max(step, 0.0)
        return self._total


class GpuEnergyMeter:
    """Energy of a GPU since the meter was created, in joules, all programs on it included; its counter never wraps."""

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid
        self._first = self._read()

    def joules(self) -> float | None:
        """Return the energy used so far, or None if the GPU does not tell or there is none."""
        now = self._read()
        return None if now is None or self._first is None else now - self._first

    def _read(self) -> float | None:
        return gpu_energy_joules(self._uuid) if self._uuid else None


def _packages(folder: Path) -> list[Path]:
    """Return one folder per package; its parts (cores, memory) have a second number in their names."""
    return sorted(path for path in folder.glob("intel-rapl:*") if path.name.count(":") == 1)


def _microjoules(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # on most systems only root may read it
        return None
