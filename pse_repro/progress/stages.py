"""How far a run is: a live view on a terminal, plain lines elsewhere; both on standard error."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pse_repro.errors import KitError
from pse_repro.progress.live import Outlook, thinned, view
from pse_repro.progress.now import Now, now_folder, read_nows, remove_now, write_now
from pse_repro.text import duration, rate

__all__ = ["Outlook", "Progress", "Scalars", "Stage", "duration", "rate"]

LINE_SECONDS = 10.0  # between two plain lines of one stage
FILE_SECONDS = 1.0  # between two times that a process says in its file what it does
OUTLOOK_SECONDS = 15.0  # between two estimates for the study: one of 64 cells takes 0.1 s of a processor
VIEWS_A_SECOND = 2.0
KEPT_LOSSES = 120


class Scalars(Protocol):
    """Where the values of epochs go, beside the view."""

    def add(self, phase: str, epoch: int, values: Mapping[str, float]) -> None: ...


class Stage:
    """One stretch of work, counted in images or bytes (`total` at most); `note` says how it goes."""

    def __init__(self, progress: "Progress", name: str, total: int, unit: str, epochs: int | None) -> None:
        self._progress, self.name, self.total, self.unit, self._epochs = progress, name, total, unit, epochs
        self._done, self._note = 0, ""
        self._losses: dict[int, list[float]] = {}  # of each epoch, those of all folds
        self._loss_name = ""
        self._started = self._last_line = time.monotonic()

    def advance(self, count: int) -> None:
        self._done += count
        self._progress.publish()
        if self._progress.in_lines and time.monotonic() - self._last_line > LINE_SECONDS:
            self._last_line = time.monotonic()
            self._progress.say(self._line())

    def note(self, text: str) -> None:
        self._note = text

    def measure(self, epoch: int, values: Mapping[str, float], loss: str = "", fold: int | None = None) -> None:
        """After an epoch (from 0), what its curves have; `loss` names the one to show, empty where there is none.

        Epochs of an earlier go may be told again: they are shown, and logged once (a fold's as "fold-2/train_loss").
        """
        if epoch < max(self._losses, default=0):  # the next fold begins
            self._losses = {}
        self._loss_name = loss
        self._losses[epoch] = [*self._losses.get(epoch, []), *([values[loss]] if loss else [])]
        prefix = "" if fold is None else f"fold-{fold}/"
        self._progress.measured(self.name, epoch, {prefix + name: value for name, value in values.items()})
        self._progress.publish()

    def now(self, cell: str) -> Now:
        """How it stands, as a stage of that cell."""
        losses = list(self._losses.items())  # the view's thread reads what this one's writes
        means = [sum(values) / len(values) if values else None for _, values in losses]
        known = max((epoch + 1 for epoch, _ in losses), default=None if self._epochs is None else 0)
        return Now(
            cell=cell,
            phase=_phase(self.name, cell),
            done=self._done,
            total=self.total,
            unit=self.unit,
            seconds=time.monotonic() - self._started,
            epochs_done=known,
            epochs=self._epochs,
            losses=tuple(thinned(means, KEPT_LOSSES)) if self._loss_name else (),
            note=self._note,
            loss=self._loss_name.replace("_", " ") or "loss",
        )

    def _line(self) -> str:
        now = self.now("")
        left = duration(now.seconds_left or 0.0)
        share = f"{self._done / self.total:.0%}, {rate(now.per_second, self.unit)}, at most {left} left"
        outlook = self._progress.outlook()
        return f"{self.name}: {share}{self._noted()}" + (f"; study: {outlook}" if outlook else "")

    def _noted(self) -> str:
        return f"; {self._note}" if self._note else ""

    def close(self) -> None:
        seconds = time.monotonic() - self._started
        speed = rate(self._done / max(seconds, 1e-9), self.unit)
        self._progress.say(f"{self.name}: done in {duration(seconds)}, {speed}{self._noted()}")


class Progress:
    """Messages and stages of a run; a context manager. `lines` asks for plain lines on a terminal, too."""

    def __init__(self, quiet: bool = False, lines: bool = False) -> None:
        self.quiet = quiet
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self.on_terminal = self._console.is_terminal and not self._console.is_dumb_terminal and not (quiet or lines)
        self.in_lines = not (quiet or self.on_terminal)
        self._stage: Stage | None = None
        self._cell = ""
        self._scalars: Scalars | None = None
        self._folder: Path | None = None  # where processes say what they do
        self._ask: Callable[[], Outlook] | None = None
        self._outlook: Outlook | None = None
        self._asked = self._written = -math.inf
        self._live = Live(  # last: it asks for its first view at once
            console=self._console, refresh_per_second=VIEWS_A_SECOND, transient=True, get_renderable=self._render
        )

    def __enter__(self) -> Self:
        if self.on_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, text: str) -> None:
        line = f"{time.strftime('%H:%M:%S')} {text}"
        self._console.print(line, markup=False, soft_wrap=not self._console.is_terminal)

    def warn(self, text: str) -> None:
        """Say it even where the rest is quiet: numbers may not be what they are taken for."""
        self._console.quiet = False
        self.say(f"warning: {text}")
        self._console.quiet = self.quiet

    @contextmanager
    def stage(self, name: str, total: int, unit: str = "images", epochs: int | None = None) -> Iterator[Stage]:
        """A stretch of work; `epochs`, if it has so many, those of an earlier go included."""
        stage = self._stage = Stage(self, name, total, unit, epochs)
        self.publish(at_once=True)
        try:
            yield stage
        finally:  # where an error comes through, that says what there is to say
            self._stage = None
        stage.close()
        self.publish(at_once=True)

    @contextmanager
    def study(self, run_directory: Path, ask: Callable[[], Outlook] | None = None) -> Iterator[None]:
        """While a study runs there; `ask`, which may take a moment, says how far it is as a whole."""
        self._folder, self._ask, self._outlook, self._asked = now_folder(run_directory), ask, None, -math.inf
        try:
            yield
        finally:
            self._folder = self._ask = self._outlook = None

    @contextmanager
    def cell(self, name: str, scalars: Scalars | None = None) -> Iterator[None]:
        """While this process is at a cell: other processes can see it, and `scalars` gets what its stages measure."""
        self._cell, self._scalars = name, scalars
        self.publish(at_once=True)
        try:
            yield
        finally:
            self._cell, self._scalars = "", None
            if self._folder:
                remove_now(self._folder)

    def publish(self, at_once: bool = False) -> None:
        """Say in this process's file what it does, if it is at a cell and has not said so just before."""
        if self._folder and self._cell and (at_once or time.monotonic() - self._written > FILE_SECONDS):
            self._written = time.monotonic()
            write_now(self._folder, self._now())

    def measured(self, stage: str, epoch: int, values: Mapping[str, float]) -> None:
        if self._scalars:
            self._scalars.add(_phase(stage, self._cell), epoch, values)

    def outlook(self, anew: bool = False) -> Outlook | None:
        """For the study, as of some seconds ago at most; None where there is none."""
        ask = self._ask
        if ask and (anew or time.monotonic() - self._asked > OUTLOOK_SECONDS):
            self._asked = time.monotonic()
            with suppress(KitError, OSError):  # a file of the run is damaged: who needs it says so
                self._outlook = ask()
        return self._outlook

    def _now(self) -> Now:
        stage = self._stage
        return stage.now(self._cell) if stage else Now(self._cell)

    def _render(self) -> Text:
        """The view; called by a thread of its own, so that what it reads may change any time."""
        folder = self._folder
        nows = [] if folder is None else read_nows(folder, remove_stale=True)
        if self._stage and not self._cell:
            nows = [self._now(), *nows]
        return view(self.outlook(), nows, self._console.width, self._console.height)


def _phase(stage: str, cell: str) -> str:
    return stage.removeprefix(cell).lstrip()
