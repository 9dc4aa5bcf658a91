"""Messages and progress on standard error: a live view on a terminal, plain lines elsewhere, nothing when quiet."""

import time
from collections.abc import Callable

from rich.console import Console as RichConsole
from rich.console import Group
from rich.live import Live

from pse_repro.progress.listener import Listener, Stage
from pse_repro.progress.live import view
from pse_repro.progress.status_file import process_status, read_statuses
from pse_repro.progress.watch import StudyWatch
from pse_repro.progress.wording import last_epoch, phase_words
from pse_repro.text import duration, rate

LINE_SECONDS = 10.0  # between two plain lines of one stage
VIEWS_PER_SECOND = 2.0


class Console(Listener):
    """Progress on standard error; `lines` requests plain lines even on a terminal. `study` returns the current one."""

    def __init__(self, quiet: bool, lines: bool, study: Callable[[], StudyWatch | None]) -> None:
        self.quiet, self._study = quiet, study
        self._out = RichConsole(stderr=True, quiet=quiet, highlight=False)
        self.on_terminal = self._out.is_terminal and not self._out.is_dumb_terminal and not (quiet or lines)
        self._in_lines = not (quiet or self.on_terminal)
        self._stage: Stage | None = None
        self._last_line = 0.0
        self._live = Live(  # last: it requests its first view at once
            console=self._out, refresh_per_second=VIEWS_PER_SECOND, transient=True, get_renderable=self._view
        )

    def start(self) -> None:
        if self.on_terminal:
            self._live.start()

    def stop(self) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} {text}"
        self._out.print(line, markup=False, soft_wrap=not self._out.is_terminal)

    def warn(self, text: str) -> None:
        """Print a warning even if quiet."""
        self._out.quiet = False
        self.say(f"warning: {text}")
        self._out.quiet = self.quiet

    def began(self, stage: Stage) -> None:
        self._stage, self._last_line = stage, time.monotonic()

    def advanced(self, stage: Stage) -> None:
        if self._in_lines and time.monotonic() - self._last_line > LINE_SECONDS:
            self._last_line = time.monotonic()
            self.say(self._progress(stage))

    def ended(self, stage: Stage, completed: bool) -> None:
        self._stage = None
        if completed:  # an error has its own message
            speed = rate(stage.done / max(stage.seconds, 1e-9), stage.unit)
            self.say(f"{_title(stage)}: done in {duration(stage.seconds)}, {speed}{_noted(stage)}")

    def _progress(self, stage: Stage) -> str:
        status, watch = process_status(stage), self._study()
        left = duration(status.seconds_left or 0.0)
        share = f"{status.done / status.total:.0%}, {rate(status.per_second, status.unit)}, at most {left} left"
        study = watch.status() if watch else None
        return f"{_title(stage)}: {share}{_noted(stage)}" + (f"; study: {study}" if study else "")

    def _view(self) -> Group:
        """Return the live view. Called from a separate thread: the state that it reads may change at any time."""
        stage, watch = self._stage, self._study()
        statuses = read_statuses(watch.folder, remove_stale=True) if watch else []
        if stage and not (watch and stage.cell):  # a cell's stage has a status file
            statuses = [process_status(stage), *statuses]
        return view(watch.status() if watch else None, statuses, self._out.height)


def _title(stage: Stage) -> str:
    return f"{stage.cell} {phase_words(stage)}".lstrip()


def _noted(stage: Stage) -> str:
    note = last_epoch(stage)
    return f"; {note}" if note else ""
