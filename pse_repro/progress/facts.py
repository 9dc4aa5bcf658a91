"""Facts about a run's progress: the epoch of a stage, the cells of a study. Listeners format them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pse_repro.text import duration


@dataclass(frozen=True)
class Epoch:
    """Losses after one epoch (counted from 0) of a pre-training, or of the classifier of one `fold` (from 1).

    A loss is None if it does not exist, NaN or infinite if it is not finite. `metrics` are further values by name.
    """

    number: int
    train_loss: float | None = None
    validation_loss: float | None = None
    fold: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def loss(self) -> float | None:
        """The loss to watch: the validation loss or, without one, the training loss."""
        return self.train_loss if self.validation_loss is None else self.validation_loss


@dataclass(frozen=True)
class TimeLeft:
    """An estimate in seconds.

    `seconds` is None if there are `unknown` kinds of work, of which none is done yet; `at_least` leaves those out.
    """

    seconds: float | None
    at_least: float
    unknown: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.seconds is not None:
            return f"about {duration(self.seconds)} left"
        return "time left unknown" + (f", at least {duration(self.at_least)}" if self.at_least else "")


@dataclass(frozen=True)
class StudyStatus:
    """Progress of a whole study in cells, and its time left."""

    cells: int
    done: int
    failed: int
    left: TimeLeft

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.cells} cells done{failed}, {self.left}"
