"""Classifiers of several folds trained together, their weights stacked in one matrix (`pse_repro.training.heads`).

Each fold draws its own random numbers, takes its own steps and stops on its own, as if it were trained alone with
`pse_repro.training.classifier.fit`, whose results these are: to rounding, and whoever else is in the group to the last
bit on a CPU, where the folds' batches are of the same sizes and of two images or more.
Shapes: F folds that still train (rows), T steps, B images of the longest batch, H activations of a layer, K = 10
classes, P weights of a classifier, S statistics of an encoder.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol as Interface

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import vector_to_parameters
from torch.nn.utils.rnn import pad_sequence
from torch.optim.lr_scheduler import ReduceLROnPlateau

from pse_repro.config.protocol import Protocol
from pse_repro.machine.device import Machine
from pse_repro.seeding import seeded
from pse_repro.training.classifier import Course, FitResult, FoldData, reduced_on_plateau
from pse_repro.training.heads import Adam, Heads, Mask, clipped

NO_LABEL = -100  # of what fills shorter batches up: cross_entropy's ignore_index
Batch = tuple[Tensor, Tensor]  # inputs and labels


@dataclass(frozen=True)
class Task:
    """What training on one fold starts from: its name (for its randomness), a fresh classifier, its batches."""

    name: str
    classifier: nn.Module
    data: FoldData
    after_epoch: Callable[[int, float], None]  # told the epoch and its validation loss


@dataclass(frozen=True)
class Trained:
    """A fold that is done: its position among the tasks; the encoder's statistics (S,) of its best epoch."""

    position: int
    fitted: FitResult
    statistics_S: Tensor


class SharedEncoder(Interface):
    """Features for the heads: one encoder for all rows, of which each row has statistics of its own."""

    rows_FS: Tensor

    def __call__(self, inputs: Sequence[Tensor], training: bool) -> Sequence[Tensor]: ...


class NoEncoder:
    """The inputs are features."""

    def __init__(self, count: int) -> None:
        self.rows_FS = torch.empty(count, 0)

    def __call__(self, inputs: Sequence[Tensor], training: bool) -> Sequence[Tensor]:
        return inputs


class Stream:
    """Random numbers of one fold: inside `drawing`, PyTorch's global generators go on where this stream stopped."""

    def __init__(self, *names: object) -> None:
        with seeded(*names):
            self._keep()

    @contextmanager
    def drawing(self) -> Iterator[None]:
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            torch.set_rng_state(self._cpu)
            torch.cuda.set_rng_state_all(self._gpus)
            yield
            self._keep()

    def _keep(self) -> None:
        self._cpu, self._gpus = torch.get_rng_state(), torch.cuda.get_rng_state_all()


def fit_together(
    tasks: Sequence[Task], encoder: SharedEncoder, protocol: Protocol, machine: Machine
) -> Iterator[Trained]:
    """Train the tasks' classifiers; each is left with its best epoch's weights when it comes.

    CellError for a loss that is not finite.
    """
    group = _Group(tasks, encoder, protocol, machine)
    last = protocol.settings.downstream_max_epochs - 1
    for epoch in range(last + 1):
        losses = torch.stack([group.train(epoch), group.validate()]).tolist()  # an epoch's only transfer to the CPU
        group.note(epoch, *losses)
        over = [row for row, fold in enumerate(group.folds) if epoch == last or fold.course.is_over]
        yield from map(group.trained, over)
        group.leave(over)
        if not group.folds:
            return


@dataclass
class _Fold:
    """What a row needs beside its weights."""

    position: int
    task: Task
    course: Course
    plateau: ReduceLROnPlateau
    best_P: Tensor
    best_S: Tensor


class _Group:
    """The folds that still train, row by row."""

    def __init__(self, tasks: Sequence[Task], encoder: SharedEncoder, protocol: Protocol, machine: Machine) -> None:
        settings = protocol.settings
        self.encoder, self.machine = encoder, machine
        self.clip_norm = settings.downstream_clip_norm if protocol.switches.gradient_clipping else None
        self.heads = Heads([task.classifier for task in tasks])
        self.adam = Adam(self.heads.weights_FP)
        self.folds = []
        for position, task in enumerate(tasks):
            course = Course(task.name, settings.stopping_patience)
            rate = torch.optim.SGD([torch.zeros(1)], settings.learning_rate)  # never steps: the plateau needs a holder
            plateau = reduced_on_plateau(rate, settings)
            self.folds.append(_Fold(position, task, course, plateau, *self._row(position)))

    def train(self, epoch: int) -> Tensor:
        """One epoch; the folds' means of batch means (F,), on the device."""
        rates = [fold.plateau.optimizer.param_groups[0]["lr"] for fold in self.folds]
        rates_F1 = torch.tensor(rates, dtype=torch.float64, device=self.machine.device)[:, None]
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
        """The folds' means of batch means (F,) on their validation images, on the device."""
        steps = _side_by_side([fold.task.data.validation() for fold in self.folds])
        return _means([self._losses(batches, None) for batches in steps])

    def _losses(self, batches: Sequence[Batch], mask: Mask | None) -> tuple[Tensor, Tensor]:
        """(F,) the batches' mean cross-entropies, 0 for an empty one; (F,) whether there are images in them."""
        inputs, labels = zip(*batches, strict=True)
        with self.machine.autocast():
            features = self.encoder(inputs, training=mask is not None)
            logits_FBK = self.heads(pad_sequence(list(features), batch_first=True), mask)
        labels_FB = pad_sequence(list(labels), batch_first=True, padding_value=NO_LABEL)
        losses = F.cross_entropy(logits_FBK.float().flatten(0, 1), labels_FB.flatten(), reduction="none")
        counts_F = (labels_FB != NO_LABEL).sum(1)
        return losses.view_as(labels_FB).sum(1) / counts_F.clamp(min=1), counts_F > 0

    def note(self, epoch: int, train_losses: list[float], validation_losses: list[float]) -> None:
        """After an epoch: losses, rates, the best weights and statistics, and whoever wants to be told."""
        for row, (fold, train_loss, loss) in enumerate(zip(self.folds, train_losses, validation_losses, strict=True)):
            if fold.course.note(train_loss, loss):
                fold.best_P, fold.best_S = self._row(row)
            fold.plateau.step(loss)
            fold.task.after_epoch(epoch, loss)

    def _row(self, row: int) -> tuple[Tensor, Tensor]:
        return self.heads.weights_FP[row].detach().clone(), self.encoder.rows_FS[row].clone()

    def trained(self, row: int) -> Trained:
        fold = self.folds[row]
        vector_to_parameters(fold.best_P, fold.task.classifier.parameters())
        return Trained(fold.position, fold.course.fitted(), fold.best_S)

    def leave(self, over: list[int]) -> None:
        """Go on without the rows that are over."""
        kept = [row for row in range(len(self.folds)) if row not in over]
        if over:
            self.folds = [self.folds[row] for row in kept]
            self.heads.keep(kept)
            self.adam.keep(kept)
            self.encoder.rows_FS = self.encoder.rows_FS[kept]


def _side_by_side(sources: Sequence[Iterable[Batch]], streams: Sequence[Stream] | None = None) -> Iterator[list[Batch]]:
    """A batch of each source, step by step, drawn from its stream; an empty one where a source has no more."""
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
    """Dropout's masks (F, B, H), each fold's drawn from its own stream for as many images as it has."""

    def draw(hidden_FBH: Tensor, share: float) -> Tensor:
        masks = []
        for stream, count in zip(streams, counts, strict=True):
            with stream.drawing():
                masks.append(F.dropout(hidden_FBH.new_ones(count, hidden_FBH.shape[-1]), share))
        return pad_sequence(masks, batch_first=True)

    return draw


def _means(losses: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """(F,) the mean over the steps in which a fold had images."""
    losses_FT, present_FT = (torch.stack(of_steps, 1) for of_steps in zip(*losses, strict=True))
    return losses_FT.sum(1) / present_FT.sum(1)
