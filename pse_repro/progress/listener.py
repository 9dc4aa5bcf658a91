"""Stages of work, which hold the numbers, and listeners, which format them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pse_repro.progress.facts import Epoch


@dataclass(eq=False)
class Stage:
    """One stage of work on a cell or, without a cell, of the process: `done` of at most `total` images or bytes so far.

    `epochs` is their total number, including those of earlier sessions, if known; `folds` are those to be fitted.
    """

    phase: str  # pre-train, the name of an evaluation, or the title of work outside cells
    total: int
    cell: str = ""
    unit: str = "images"
    epochs: int | None = None
    folds: Sequence[int] = ()
    listeners: Sequence["Listener"] = ()
    done: int = 0
    history: list[Epoch] = field(default_factory=list)
    _ended_folds: set[int] = field(default_factory=set)
    _started: float = field(default_factory=lambda: time.monotonic())

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def advance(self, count: int) -> None:
        self.done += count
        for listener in self.listeners:
            listener.advanced(self)

    def measure(self, epoch: Epoch) -> None:
        """Report an epoch. Epochs of an earlier session may be reported again; they are not logged twice."""
        self.history.append(epoch)
        for listener in self.listeners:
            listener.measured(self, epoch)

    def end_fold(self, fold: int) -> None:
        """Report that the training of a fold has ended; its epochs are no longer current."""
        self._ended_folds.add(fold)

    def current_epochs(self) -> list[Epoch]:
        """Return the epochs of the pre-training or of the folds in progress; between two folds, of the last one."""
        epochs = list(self.history)  # a copy: the view's thread reads while this one appends
        in_progress = [epoch for epoch in epochs if epoch.fold not in self._ended_folds]
        return in_progress or [epoch for epoch in epochs if epoch.fold == epochs[-1].fold]


class Listener:
    """A receiver of a process's progress; each method is called after its event and is optional."""

    def began(self, stage: Stage) -> None: ...

    def advanced(self, stage: Stage) -> None: ...

    def measured(self, stage: Stage, epoch: Epoch) -> None: ...

    def ended(self, stage: Stage, completed: bool) -> None:
        """Handle the end of a stage: `completed`, or ended by an exception."""
