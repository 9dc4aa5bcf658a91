"""Progress: the stages of a process's work and its messages, passed on to listeners."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from pse_repro.progress.console import Console
from pse_repro.progress.facts import StudyStatus
from pse_repro.progress.listener import Listener, Stage
from pse_repro.progress.status_file import StatusFile
from pse_repro.progress.watch import StudyWatch


class Progress:
    """Messages and stages of a run; a context manager. `lines` requests plain lines even on a terminal."""

    def __init__(self, quiet: bool = False, lines: bool = False) -> None:
        self._study: StudyWatch | None = None
        self._console = Console(quiet, lines, lambda: self._study)
        self.listeners: list[Listener] = [self._console]

    def __enter__(self) -> Self:
        self._console.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._console.stop()

    @property
    def quiet(self) -> bool:
        return self._console.quiet

    @property
    def on_terminal(self) -> bool:
        """True if a live view shows the processes."""
        return self._console.on_terminal

    def say(self, text: str) -> None:
        self._console.say(text)

    def warn(self, text: str) -> None:
        """Print a warning even if quiet, as it may affect the meaning of the results."""
        self._console.warn(text)

    @contextmanager
    def stage(
        self,
        phase: str,
        total: int,
        *,
        cell: str = "",
        unit: str = "images",
        epochs: int | None = None,
        folds: Sequence[int] = (),
    ) -> Iterator[Stage]:
        """Announce a stage of work; see Stage for the arguments."""
        stage, completed = Stage(phase, total, cell, unit, epochs, folds, self.listeners), False
        for listener in self.listeners:
            listener.began(stage)
        try:
            yield stage
            completed = True
        finally:
            for listener in self.listeners:
                listener.ended(stage, completed)

    @contextmanager
    def study(self, status_folder: Path, estimate: Callable[[], StudyStatus] | None = None) -> Iterator[None]:
        """Announce a study whose processes report in `status_folder`; `estimate` computes its status."""
        self._study = StudyWatch(status_folder, estimate)
        try:
            yield
        finally:
            self._study = None

    def study_status(self, refresh: bool = False) -> StudyStatus | None:
        """Return the study's status, at most STUDY_SECONDS old; None if there is no study or it is unknown."""
        return self._study.status(refresh) if self._study else None

    @contextmanager
    def cell(self, name: str, log: Listener | None = None) -> Iterator[None]:
        """Announce work on a cell: a status file shows it to other processes, and `log` receives its stages."""
        file = StatusFile(self._study.folder, name) if self._study else None
        added = [listener for listener in (file, log) if listener]
        self.listeners.extend(added)
        try:
            yield
        finally:
            for listener in added:
                self.listeners.remove(listener)
            if file:
                file.remove()
