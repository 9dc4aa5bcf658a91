"""Pre-training of an encoder on unlabelled images by an objective; the checkpoint of lowest validation loss is kept.

Source: slides "Unsupervised Pre-Training" and the released code (switches 4, 5, 6 and 14): Adam, unless the
model has an optimizer of its own, shuffled batches, partial last batches dropped in training and validation, gradients
clipped by norm over all parameters.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pse_repro.config.study import Recipe
from pse_repro.data.augment.steps import pretrain_augmentation
from pse_repro.data.batches import Images, as_floats, batches, to_device
from pse_repro.data.stl10 import Dataset
from pse_repro.errors import CellError, NotFitError
from pse_repro.machine.device import Machine
from pse_repro.objectives import OBJECTIVES, Batch, Objective, Setup
from pse_repro.seeding import generator, seeded
from pse_repro.training.capture import Captured
from pse_repro.training.optimizer import new_optimizer, rate_factor, set_rate
from pse_repro.training.state import PartialEpoch, State


class Pretraining:
    """The pre-training of one model; `run` trains its remaining epochs from `state`."""

    def __init__(self, recipe: Recipe, data: Dataset, machine: Machine) -> None:
        self.name, self.length, self.machine = recipe.name, recipe.length, machine
        self.recipe, self.clip_norm = recipe, recipe.clip_norm
        self.switches, self.settings = recipe.protocol.switches, recipe.protocol.settings
        train, validation = split_unlabeled(recipe, data)
        self.train = Images(data.unlabeled, machine.device, train.numpy())
        self.validation = Images(data.unlabeled, machine.device, validation.numpy())
        self.objective = build_objective(recipe, data, machine.device)
        self.augment = pretrain_augmentation(self.switches.pretrain_augmentation, self.objective.crops)
        self.state = self._fresh_state()
        self.captured = Captured(self._step) if machine.captures and self.objective.captures else None

    def _fresh_state(self) -> State:
        with seeded(self.name, "initialisation"):
            network = self.objective.network()
        network.to(self.machine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return State(network, new_optimizer(network, self.recipe, self.machine.device))

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch: its budget's, else those of one pass over the images; unknown for a budget of seconds."""
        return self.length.steps or len(self.train) // self.length.batch_size

    @property
    def images_left(self) -> int:
        """Images still to be drawn, including validation; with a budget of seconds, only those of validation."""
        size, partial = self.length.batch_size, self.state.partial
        steps = 0 if self.length.seconds else self.steps_per_epoch
        batches_per_epoch = steps + len(self.validation) // size
        done = min(partial.steps, steps) + len(partial.measured_M) if partial else 0
        return ((self.length.epochs - self.state.epoch) * batches_per_epoch - done) * size

    def run(self, after_epoch: Callable[[State], None], after_batch: Callable[[int], None]) -> None:
        """Train the remaining epochs; `after_batch` receives the batch's image count, and both may save the state.

        CellError for a loss that is not finite.
        """
        state = self.state
        while state.epoch < self.length.epochs:
            partial = self._begun(state.epoch)
            train = self.train_epoch(state.epoch, after_batch) if self.objective.trains else {}
            steps = int(train.pop("steps", 0)) + (int(state.curves[-1]["steps"]) if state.curves else 0)
            validation = self._validate(partial, after_batch)
            row = {"epoch": float(state.epoch), "steps": float(steps)}
            row |= {f"train_{key}": value for key, value in train.items()}
            row |= {f"validation_{key}": value for key, value in validation.items()}
            for key, value in row.items():
                if not math.isfinite(value):
                    raise CellError(
                        f"{self.name}: {key} is {value} in epoch {state.epoch}; this cell stops, the others continue"
                    )
            best = min((past["validation_loss"] for past in state.curves), default=math.inf)
            if validation["loss"] < best or self.objective.keeps == "last":
                state.best = {key: value.detach().clone() for key, value in state.network.state_dict().items()}
                state.best_epoch = state.epoch
            state.curves.append(row | {"seconds": partial.watch.seconds})
            state.partial = None
            after_epoch(state)

    def _begun(self, epoch: int) -> PartialEpoch:
        """Return the epoch as far as it is: begun here, or in an earlier session."""
        partial = self.state.partial
        if partial is None or partial.epoch != epoch:
            partial = self.state.partial = PartialEpoch(epoch, torch.zeros((), device=self.machine.device))
        return partial

    def train_epoch(self, epoch: int, after_batch: Callable[[int], None]) -> dict[str, float]:
        """Train an epoch, or the rest of it, from the current weights; return its mean "loss" and number of "steps"."""
        partial = self._begun(epoch)
        self.state.network.train()
        if partial.measured_M:  # validation has begun
            return partial.mean_loss()
        with seeded(self.name, "augmentation", epoch, states=partial.generators):
            self._prepare(partial, after_batch)
            for positions in self._positions(partial):
                batch = self.train.rows(positions), to_device(positions, self.machine.device)
                progress = self._progress(epoch, partial.steps)
                if self.recipe.model.changes_rate:
                    self._set_rate(epoch, partial.steps)
                loss = self.captured(*batch) if self.captured else self._step(*batch, progress)
                partial.loss_sum += loss  # no .item() here: it would wait for the device
                partial.steps += 1
                with partial.watch.paused():
                    after_batch(len(positions))
        return partial.mean_loss()

    def _set_rate(self, epoch: int, step: int) -> None:
        """Set a step's learning rate, from the middle of the step, so that none has a rate of 0."""
        factor = rate_factor(self.recipe.model, self._progress(epoch, step + 0.5))
        set_rate(self.state.optimizer, factor * self.recipe.learning_rate)

    def _step(self, rows_NHWC: Tensor, positions: Tensor, progress: float = 0.0) -> Tensor:
        """Train on the images of these rows; return the loss, on the device."""
        network, optimizer, images = self.state.network, self.state.optimizer, as_floats(rows_NHWC)
        if self.augment is not None:
            images = self.augment(images)
        with self.machine.autocast():
            loss = self.objective.loss(network, Batch(images, positions, True, progress))
        optimizer.zero_grad()
        loss.backward()
        if self.clip_norm:
            nn.utils.clip_grad_norm_(network.parameters(), self.clip_norm)
        optimizer.step()
        return loss.detach()

    def _prepare(self, partial: PartialEpoch, after_batch: Callable[[int], None]) -> None:
        """Let the objective begin the epoch, or resume within it what it computed at the beginning."""
        if partial.resumed:
            return self.objective.resume_epoch(partial.objective, self.train)
        with self.machine.autocast():
            self.objective.begin_epoch(self.state.network, self.state.optimizer, self.train, self.validation)
        partial.objective, partial.prepared = self.objective.epoch_tensors(), partial.watch.seconds
        if partial.objective:
            with partial.watch.paused():
                after_batch(0)  # may save the state: a pass over all images takes long

    def _positions(self, partial: PartialEpoch) -> Iterator[Tensor]:
        """Yield the epoch's remaining batches: of one pass over the images, or passes until the budget is spent."""
        shuffle, size = generator(self.name, "shuffle", partial.epoch), self.length.batch_size
        passes = (batches(len(self.train), size, shuffle, True, self.train.place) for _ in itertools.count())
        drawn = itertools.chain.from_iterable(passes)
        if self.length.seconds is None:
            return itertools.islice(drawn, partial.steps, self.steps_per_epoch)
        return _within(self.length.seconds, partial, itertools.islice(drawn, partial.steps, None))

    def _progress(self, epoch: int, step: float) -> float:
        """Return the completed share of the pre-training; with a budget of seconds, in whole epochs."""
        within = 0.0 if self.length.seconds else step / self.steps_per_epoch
        return (epoch + within) / self.length.epochs

    @torch.no_grad()
    def _validate(self, partial: PartialEpoch, after_batch: Callable[[int], None]) -> dict[str, float]:
        """Return means over the validation batches; the objective's random numbers are the same in every epoch."""
        network, done = self.state.network.eval(), len(partial.measured_M)
        size, place = self.length.batch_size, self.validation.place
        remaining = itertools.islice(batches(len(self.validation), size, drop_last=True, device=place), done, None)
        with seeded(self.name, "validation", states=partial.generators if done else {}):
            if done:
                self.objective.resume_epoch(partial.objective, self.train)
            for positions in remaining:
                images, there = self.validation[positions], to_device(positions, self.machine.device)
                batch = Batch(images, there, False, self._progress(partial.epoch, 0))
                with self.machine.autocast():
                    found = self.objective.measures(network, batch)
                partial.metrics = list(found)
                partial.measured_M.append(torch.stack([value.float() for value in found.values()]))
                with partial.watch.paused():
                    after_batch(len(positions))
        return partial.mean_measures()


def _within(seconds: float, partial: PartialEpoch, positions: Iterator[Tensor]) -> Iterator[Tensor]:
    """Yield the epoch's batches, at least one, until its steps have taken the seconds."""
    for some in positions:
        if partial.steps and partial.trained_seconds >= seconds:
            return
        yield some


def split_unlabeled(recipe: Recipe, data: Dataset) -> tuple[Tensor, Tensor]:
    """Split the unlabelled images at random into 85 % to train and 15 % to validate; return the indices of both.

    All models of a seed share the split, for paired comparisons: copies of test images are left out after it.

    Raises:
        NotFitError: there is less than one batch of either.
    """
    count = len(data.unlabeled)
    order = torch.randperm(count, generator=generator("pretrain split", recipe.seed))
    held_out = round(count * recipe.protocol.settings.validation_fraction)
    train, validation = order[held_out:], order[:held_out]
    if recipe.unlabeled == "without-test":
        is_kept_N = torch.from_numpy(~data.copies_N)
        train, validation = train[is_kept_N[train]], validation[is_kept_N[validation]]
    if min(len(train), len(validation)) < recipe.length.batch_size:
        no_copies = " that equal no test image" if recipe.unlabeled == "without-test" else ""
        raise NotFitError(
            f"{len(train) + len(validation):,} unlabelled images{no_copies} leave {len(validation):,} for validation; "
            f"expected at least one batch of {recipe.length.batch_size:,}: give more images, or a smaller batch size"
        )
    return train, validation


def build_objective(recipe: Recipe, data: Dataset, device: torch.device) -> Objective[Any]:
    """Build the model's objective under the protocol.

    Raises:
        ValueError: the protocol's switches do not allow the sigma.
        NotFitError: too few images.
    """
    setup = Setup(
        name=recipe.name,
        encoder=recipe.model.encoder,
        sigma=recipe.model.sigma,
        switches=recipe.protocol.switches,
        data=data,
        device=device,
        train_images=len(split_unlabeled(recipe, data)[0]),
        batch_size=recipe.length.batch_size,
        usable=np.flatnonzero(~data.copies_N) if recipe.unlabeled == "without-test" else None,
    )
    return OBJECTIVES[recipe.model.objective].build(setup)
