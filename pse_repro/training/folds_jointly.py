"""Joint training of the classifiers of several folds, with their weights stacked in one matrix (`heads`).

The other form of training one fold after another by `pse_repro.training.classifier.fit`, which is the default
(`Machine.joint_folds`). Each fold has its own random numbers, steps and early stopping, as in `fit`, whose results
are reproduced up to rounding. On a CPU, a fold's results do not depend on the other folds in the group, to the last
bit, if the folds' batches have the same sizes and at least two images.
Shapes: F folds that still train (rows), T steps, B images of the longest batch, H activations of a layer, K = 10
classes, P weights of a classifier, S statistics of an encoder.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol as Interface

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils import vector_to_parameters
from torch.nn.utils.rnn import pad_sequence

from pse_repro.config.protocol import Protocol
from pse_repro.data.batches import to_device
from pse_repro.machine.device import Machine
from pse_repro.seeding import generator_states, seeded, set_generator_states
from pse_repro.training.classifier import FitResult, PlateauRate, Task, TrainingHistory
from pse_repro.training.heads import Adam, Heads, Mask, clipped

NO_LABEL = -100  # of padding in shorter batches: cross_entropy's ignore_index
Batch = tuple[Tensor, Tensor]  # inputs and labels


@dataclass(frozen=True)
class Trained:
    """A completed fold: its position among the tasks, and the encoder's statistics (S,) of its best epoch."""

    position: int
    fitted: FitResult
    statistics_S: Tensor


class SharedEncoder(Interface):
    """Encoder shared by all rows, each with its own running statistics; computes the heads' features."""

    rows_FS: Tensor

    def __call__(self, inputs: Sequence[Tensor], training: bool) -> Sequence[Tensor]: ...


class NoEncoder:
    """Stand-in for the encoder if the inputs are features already."""

    def __init__(self, count: int) -> None:
        self.rows_FS = torch.empty(count, 0)

    def __call__(self, inputs: Sequence[Tensor], training: bool) -> Sequence[Tensor]:
        return inputs


class Stream:
    """Random numbers of one fold: within `drawing`, PyTorch's global generators resume where this stream stopped."""

    def __init__(self, *names: object) -> None:
        with seeded(*names):
            self._states = generator_states()

    @contextmanager
    def drawing(self) -> Iterator[None]:
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            set_generator_states(self._states)
            yield
            self._states = generator_states()


def fit_together(
    tasks: Sequence[Task], encoder: SharedEncoder, protocol: Protocol, machine: Machine
) -> Iterator[Trained]:
    """Train the tasks' classifiers; yield each as it completes, with its best epoch's weights loaded.

    CellError for a loss that is not finite.
    """
    group = _Group(tasks, encoder, protocol, machine)
    last = protocol.settings.downstream_max_epochs - 1
    for epoch in range(last + 1):
        losses = torch.stack([group.train(epoch), group.validate()]).tolist()  # an epoch's only transfer to the CPU
        group.record(epoch, *losses)
        over = [row for row, fold in enumerate(group.folds) if epoch == last or fold.history.is_over]
        yield from map(group.trained, over)
        group.remove(over)
        if not group.folds:
            return


@dataclass
class _Fold:
    """A row's state besides its weights."""

    position: int
    task: Task
    history: TrainingHistory
    rate: PlateauRate
    best_P: Tensor
    best_S: Tensor


class _Group:
    """The folds still in training, one per row."""

    def __init__(self, tasks: Sequence[Task], encoder: SharedEncoder, protocol: Protocol, machine: Machine) -> None:
        settings = protocol.settings
        self.encoder, self.machine = encoder, machine
        self.clip_norm = settings.downstream_clip_norm if protocol.switches.gradient_clipping else None
        self.heads = Heads([task.classifier for task in tasks])
        self.adam = Adam(self.heads.weights_FP)
        self.folds = []
        for position, task in enumerate(tasks):
            history = TrainingHistory(task.name, settings.stopping_patience)
            self.folds.append(_Fold(position, task, history, PlateauRate(settings), *self._row(position)))

    def train(self, epoch: int) -> Tensor:
        """Train one epoch; return the folds' means of batch means (F,), on the device."""
        rates = [fold.rate.value for fold in self.folds]
        rates_F1 = to_device(torch.tensor(rates, dtype=torch.float64), self.machine.device)[:, None]
        streams = [Stream(fold.task.name, "epoch", epoch) for fold in self.folds]
        losses = []
        for batches in _side_by_side([fold.task.data.train(epoch) for fold in self.folds], streams):
            losses_F, present_F = self._losses(batches, _mask(streams, [len(labels) for _, labels in batches]))
            (gradient_FP,) = torch.autograd.grad(losses_F.sum(), self.heads.weights_FP)
            if self.clip_norm is not None:
                gradient_FP = clipped(gradient_FP, self.heads.sizes, self.clip_norm)
            self.adam.step(self.heads.weights_FP, gradient_FP, rates_F1, present_F[:, None])
            losses.append((losses_F.detach(), present_F))
        return _means(losses)

    @torch.no_grad()
    def validate(self) -> Tensor:
        """Return the folds' means of batch means (F,) on their validation images, on the device."""
        steps = _side_by_side([fold.task.data.validation() for fold in self.folds])
        return _means([self._losses(batches, None) for batches in steps])

    def _losses(self, batches: Sequence[Batch], mask: Mask | None) -> tuple[Tensor, Tensor]:
        """Return the batches' mean cross-entropies (F,), 0 for an empty batch, and which are not empty (F,)."""
        inputs, labels = zip(*batches, strict=True)
        with self.machine.autocast():
            features = self.encoder(inputs, training=mask is not None)
            logits_FBK = self.heads(pad_sequence(list(features), batch_first=True), mask)
        labels_FB = pad_sequence(list(labels), batch_first=True, padding_value=NO_LABEL)
        losses = F.cross_entropy(logits_FBK.float().flatten(0, 1), labels_FB.flatten(), reduction="none")
        counts_F = (labels_FB != NO_LABEL).sum(1)
        return losses.view_as(labels_FB).sum(1) / counts_F.clamp(min=1), counts_F > 0

    def record(self, epoch: int, train_losses: list[float], validation_losses: list[float]) -> None:
        """Update losses, learning rates, best weights and statistics after an epoch, and call `after_epoch`."""
        for row, (fold, train_loss, loss) in enumerate(zip(self.folds, train_losses, validation_losses, strict=True)):
            if fold.history.record(train_loss, loss):
                fold.best_P, fold.best_S = self._row(row)
            fold.rate.step(loss)
            fold.task.after_epoch(epoch, loss)

    def _row(self, row: int) -> tuple[Tensor, Tensor]:
        return self.heads.weights_FP[row].detach().clone(), self.encoder.rows_FS[row].clone()

    def trained(self, row: int) -> Trained:
        fold = self.folds[row]
        vector_to_parameters(fold.best_P, fold.task.classifier.parameters())
        return Trained(fold.position, fold.history.fitted(), fold.best_S)

    def remove(self, over: list[int]) -> None:
        """Remove the completed rows."""
        kept = [row for row in range(len(self.folds)) if row not in over]
        if over:
            self.folds = [self.folds[row] for row in kept]
            self.heads.keep(kept)
            self.adam.keep(kept)
            self.encoder.rows_FS = self.encoder.rows_FS[kept]


def _side_by_side(sources: Sequence[Iterable[Batch]], streams: Sequence[Stream] | None = None) -> Iterator[list[Batch]]:
    """Yield, for each step, one batch per source, drawn from its stream; an empty one if a source is exhausted."""
    iterators = [iter(source) for source in sources]
    while True:
        found: list[Batch | None] = []
        for number, batches in enumerate(iterators):
            with streams[number].drawing() if streams else nullcontext():
                found.append(next(batches, None))
        inputs, labels = next((batch for batch in found if batch is not None), (None, None))
        if inputs is None or labels is None:
            return
        yield [batch or (inputs[:0], labels[:0]) for batch in found]


def _mask(streams: Sequence[Stream], counts: Sequence[int]) -> Mask:
    """Return a function for dropout masks (F, B, H); each fold's is drawn from its stream, for its own images."""

    def draw(hidden_FBH: Tensor, share: float) -> Tensor:
        masks = []
        for stream, count in zip(streams, counts, strict=True):
            with stream.drawing():
                masks.append(F.dropout(hidden_FBH.new_ones(count, hidden_FBH.shape[-1]), share))
        return pad_sequence(masks, batch_first=True)

    return draw


def _means(losses: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return each fold's mean (F,) over the steps in which it had images."""
    losses_FT, present_FT = (torch.stack(of_steps, 1) for of_steps in zip(*losses, strict=True))
    return losses_FT.sum(1) / present_FT.sum(1)
