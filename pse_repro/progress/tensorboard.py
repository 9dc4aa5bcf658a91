"""Optional TensorBoard log of each epoch's values, in addition to the run's own files.

Under RUN/tensorboard/CELL, scalars are named by phase, fold and curve (pre-train/train_loss,
finetune/fold-2/validation_loss); their step is the epoch, from 0.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pse_repro.errors import UsageError
from pse_repro.progress.facts import Epoch
from pse_repro.progress.listener import Listener, Stage

TENSORBOARD = "tensorboard"
PARAMETERS = "hyper-parameters"
FLUSH_SECONDS = 10  # the most that a killed process loses


class TensorBoard(Listener):
    """Scalars by epoch, and the hyper-parameters as a table, in a cell's folder.

    Points stored there are not written again, since a resumed run repeats the epochs after its last saved state.
    Nothing is written before the first point.
    """

    def __init__(self, folder: Path, parameters: Mapping[str, object]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder, self._parameters = folder, parameters
        self._open = SummaryWriter
        self._writer: SummaryWriter | None = None
        self._points: defaultdict[str, set[int]] = defaultdict(set)

    def measured(self, stage: Stage, epoch: Epoch) -> None:
        if self._writer is None:
            self._points = stored_points(self._folder)
            self._writer = self._open(str(self._folder), flush_secs=FLUSH_SECONDS)
            if not self._points:
                self._writer.add_text(PARAMETERS, _table(self._parameters), 0)
        group = stage.phase if epoch.fold is None else f"{stage.phase}/fold-{epoch.fold}"
        losses = {"train_loss": epoch.train_loss, "validation_loss": epoch.validation_loss}
        for name, value in {**losses, **epoch.metrics}.items():
            tag = f"{group}/{name}"
            if value is not None and epoch.number not in self._points[tag]:
                self._points[tag].add(epoch.number)
                self._writer.add_scalar(tag, value, epoch.number)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def require(log_to: str | None) -> None:
    """Raise UsageError if TensorBoard is requested but not installed."""
    if log_to == TENSORBOARD:
        try:
            import torch.utils.tensorboard  # noqa: F401
        except ImportError:
            raise UsageError(
                "--log-to tensorboard needs the package tensorboard, which is not installed; "
                "install it with: pip install 'pse-repro[tensorboard]'"
            ) from None


@contextmanager
def open_scalars(log_to: str | None, folder: Path, parameters: Mapping[str, object]) -> Iterator[TensorBoard | None]:
    """Open the cell's log if `log_to` is "tensorboard"; yield None if it is None.

    Raises:
        UsageError: TensorBoard is not installed.
    """
    if log_to is None:
        yield None
        return
    require(log_to)
    scalars = TensorBoard(folder, parameters)
    try:
        yield scalars
    finally:
        scalars.close()


def stored_points(folder: Path) -> defaultdict[str, set[int]]:
    """Return the steps of each scalar in a folder of event files; a truncated file is read as far as possible."""
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

    found: defaultdict[str, set[int]] = defaultdict(set)
    if folder.is_dir():
        stored = EventAccumulator(str(folder), size_guidance={SCALARS: 0}).Reload()
        for tag in stored.Tags()[SCALARS]:
            found[tag] = {event.step for event in stored.Scalars(tag)}
    return found


def _table(parameters: Mapping[str, object]) -> str:
    """Format the hyper-parameters as a Markdown table."""
    return "| name | value |\n| --- | --- |\n" + "\n".join(
        f"| {name} | {value} |" for name, value in parameters.items()
    )
