"""Per-process status files, RUN/now/PID.json: the current stage of a process, for the view and `pse-repro status`.

A file is replaced as a whole, at most once a second within a stage. A run does not depend on these files: failed writes
are ignored, unreadable files are skipped. They tell its processes when their run was removed or renamed, though.
"""

import json
import math
import os
import platform
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pse_repro.errors import NotFitError
from pse_repro.files import read_regular
from pse_repro.progress.facts import Epoch
from pse_repro.progress.listener import Listener, Stage
from pse_repro.progress.wording import last_epoch, loss_name, phase_words

FILE_SECONDS = 1.0  # between status-file updates within a stage
KEPT_LOSSES = 120
_MAX_BYTES = 1_000_000  # of a file, which has about 3,000
_NAMES = re.compile(r"\d+\.(json|part)")


@dataclass(frozen=True)
class ProcessStatus:
    """The stage of a cell in one process: `done` of at most `total` images or bytes in `seconds`.

    `epochs_done` of `epochs`, if known. `losses` are those so far of the kind named by `loss` (the mean over jointly
    trained folds), thinned out; None if not finite. The tuple is empty if nothing is measured by epoch.
    """

    cell: str = ""
    phase: str = ""
    done: int = 0
    total: int = 0
    unit: str = "images"
    seconds: float = 0.0
    epochs_done: int | None = None
    epochs: int | None = None
    losses: tuple[float | None, ...] = ()
    note: str = ""
    loss: str = "loss"

    @property
    def per_second(self) -> float:
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Upper bound of the time left, as training may stop early; None before the first progress."""
        return (self.total - self.done) / self.per_second if self.per_second else None


def process_status(stage: Stage) -> ProcessStatus:
    """Summarise the current state of a stage."""
    epochs = stage.current_epochs()
    means = _mean_losses(epochs)
    done = max((epoch.number + 1 for epoch in epochs), default=None if stage.epochs is None else 0)
    return ProcessStatus(
        cell=stage.cell,
        phase=phase_words(stage),
        done=stage.done,
        total=stage.total,
        unit=stage.unit,
        seconds=stage.seconds,
        epochs_done=done,
        epochs=stage.epochs,
        losses=tuple(thinned(means, KEPT_LOSSES)),
        note=last_epoch(stage),
        loss=loss_name(epochs[-1]) if means else "loss",
    )


def _mean_losses(epochs: Sequence[Epoch]) -> list[float]:
    """Return the mean over the folds for each epoch that has a loss."""
    losses: dict[int, list[float]] = {}
    for epoch in epochs:
        if epoch.loss is not None:
            losses.setdefault(epoch.number, []).append(epoch.loss)
    return [sum(values) / len(values) for values in losses.values()]


def thinned(values: Sequence[float | None], count: int) -> list[float | None]:
    """Return at most `count` means of equal shares of the values; None for a share without a finite value."""
    count = min(count, len(values))
    shares = [values[index * len(values) // count : (index + 1) * len(values) // count] for index in range(count)]
    return [_mean([value for value in share if value is not None and math.isfinite(value)]) for share in shares]


def _mean(values: list[float]) -> float | None:
    return sum(value / len(values) for value in values) if values else None


class StatusFile(Listener):
    """This process's status file, kept while it works on one cell; NotFitError once its run is gone."""

    def __init__(self, folder: Path, cell: str) -> None:
        self._folder, self._cell = folder, cell
        self._run = _identity(folder.parent)
        self._write(ProcessStatus(cell))

    def _write(self, status: ProcessStatus) -> None:
        self._written = time.monotonic()
        self._check_run()
        write_status(self._folder, status)

    def began(self, stage: Stage) -> None:
        self._write(process_status(stage))

    def advanced(self, stage: Stage) -> None:
        if time.monotonic() - self._written > FILE_SECONDS:
            self._write(process_status(stage))

    def measured(self, stage: Stage, epoch: Epoch) -> None:
        self._check_run()
        self.advanced(stage)

    def _check_run(self) -> None:
        """Raise NotFitError if the run was removed or renamed: what is stored now would begin another beside it."""
        if _identity(self._folder.parent) != self._run:
            raise NotFitError(
                f"{self._folder.parent} was removed or renamed while this command worked in it: move it back, then run "
                "the same command again to resume"
            )

    def ended(self, stage: Stage, completed: bool) -> None:
        self._write(ProcessStatus(self._cell))

    def remove(self) -> None:
        remove_status(self._folder)


@contextmanager
def kept_while_running(folder: Path) -> Iterator[None]:
    """Remove the status files of killed processes at the beginning, and all at the end.

    For the process that holds the run's lock.
    """
    _remove_all(folder)
    try:
        yield
    finally:
        _remove_all(folder)


def _remove_all(folder: Path) -> None:
    """Remove all status files, and the folder if nothing else is in it; nothing behind a link."""
    with suppress(OSError):
        if folder.is_symlink():
            return
        for path in folder.iterdir():
            if _NAMES.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                path.unlink()
        folder.rmdir()


def write_status(folder: Path, status: ProcessStatus) -> None:
    """Replace this process's file; not synchronised to the disk, as it is useless after a crash."""
    path = _own(folder)
    temporary = path.with_suffix(".part")
    if folder.is_symlink():
        return
    with suppress(OSError):  # the run itself reports a full disk or a vanished folder
        folder.mkdir(exist_ok=True)
        content = {"pid": os.getpid(), "machine": platform.node(), "now": asdict(status)}
        temporary.write_text(json.dumps(content), encoding="utf-8")
        os.replace(temporary, path)


def remove_status(folder: Path) -> None:
    """Remove this process's file."""
    with suppress(OSError):
        _own(folder).unlink(missing_ok=True)


def read_statuses(folder: Path, remove_stale: bool = False) -> list[ProcessStatus]:
    """Read the status files of living processes, ordered by cell name; `remove_stale` deletes those of dead ones."""
    found = []
    for path in folder.glob("*.json"):
        try:
            content = json.loads(read_regular(path, _MAX_BYTES))
            status = ProcessStatus(**(content["now"] | {"losses": tuple(content["now"]["losses"])}))
            alive = content["machine"] != platform.node() or _is_alive(int(content["pid"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if alive:
            found.append(status)
        elif remove_stale:
            with suppress(OSError):
                path.unlink(missing_ok=True)
    return sorted(found, key=lambda status: status.cell)


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return what identifies a folder whatever its name is; None if it does not exist."""
    try:
        found = folder.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _own(folder: Path) -> Path:
    return folder / f"{os.getpid()}.json"


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # where signal 0 is not a test but Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except PermissionError:  # another user's
        return True
    except (OSError, OverflowError):
        return False
    return True
