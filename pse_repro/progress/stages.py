"""Progress: the stages of a process's work and its messages, for whoever listens."""

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
    """Messages and stages of a run; a context manager. `lines` asks for plain lines on a terminal, too."""

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
        """Say it even when the rest is quiet: numbers may not be what they are taken for."""
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
        """Announce a stretch of work; Stage describes its facts."""
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
        """Announce a study whose processes report there; `estimate`, which may take a moment, gives its status."""
        self._study = StudyWatch(status_folder, estimate)
        try:
            yield
        finally:
            self._study = None

    def study_status(self, refresh: bool = False) -> StudyStatus | None:
        """Return the study's status, at most some seconds old; None if there is none."""
        return self._study.status(refresh) if self._study else None

    @contextmanager
    def cell(self, name: str, log: Listener | None = None) -> Iterator[None]:
        """Announce work on a cell: other processes can see it, and `log` hears of its stages."""
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
