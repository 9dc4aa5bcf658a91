"""Pre-training of an encoder on unlabelled images by an objective; the checkpoint of lowest validation loss is kept.

Source: slides "Unsupervised Pre-Training" and the released code (switches 4, 5, 6 and 14): Adam, shuffled batches,
partial last batches dropped in training and validation, gradients clipped by norm over all parameters.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pse_repro.config.study import Recipe
from pse_repro.data.augment.steps import pretrain_augmentation
from pse_repro.data.batches import Images, batches
from pse_repro.data.stl10 import Dataset
from pse_repro.errors import CellError, NotFitError
from pse_repro.machine.device import Machine
from pse_repro.objectives import OBJECTIVES, Batch, Objective, Setup
from pse_repro.seeding import generator, seeded


@dataclass
class State:
    """Everything needed to resume an interrupted pre-training; the run store writes and reads it."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    best: dict[str, Tensor] = field(default_factory=dict)  # state dict of the kept epoch
    best_epoch: int = -1
    curves: list[dict[str, float]] = field(default_factory=list)  # one row per epoch

    @property
    def epoch(self) -> int:
        return len(self.curves)


class Pretraining:
    """The pre-training of one model; `run` trains its remaining epochs from `state`."""

    def __init__(self, recipe: Recipe, data: Dataset, machine: Machine) -> None:
        self.name, self.length, self.machine = recipe.name, recipe.length, machine
        self.learning_rate = recipe.learning_rate
        self.switches, self.settings = recipe.protocol.switches, recipe.protocol.settings
        train, validation = self._split(len(data.unlabeled), recipe.seed)
        self.train = Images(data.unlabeled, machine.device, train.numpy())
        self.validation = Images(data.unlabeled, machine.device, validation.numpy())
        self.objective = build_objective(recipe, data, machine.device)
        self.augment = pretrain_augmentation(self.switches.pretrain_augmentation, self.objective.crops)
        self.state = self._fresh_state()

    def _split(self, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """Split into 85 % and 15 % at random; all models of a seed share the split, for paired comparisons."""
        order = torch.randperm(count, generator=generator("pretrain split", seed))
        check_split(count, self.settings.validation_fraction, self.length.batch_size)
        held_out = held_out_images(count, self.settings.validation_fraction)
        return order[held_out:], order[:held_out]

    def _fresh_state(self) -> State:
        with seeded(self.name, "initialisation"):
            network = self.objective.network()
        network.to(self.machine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        fused = self.machine.device.type == "cuda"
        optimizer = torch.optim.Adam(network.parameters(), self.learning_rate, fused=fused)
        return State(network, optimizer)

    @property
    def images_per_epoch(self) -> int:
        """Images drawn in one epoch, including validation; with a budget of seconds, only those of validation."""
        size = self.length.batch_size
        steps = len(self.train) // size if self.length.steps is None else self.length.steps
        return (0 if self.length.seconds else steps * size) + len(self.validation) // size * size

    def run(self, after_epoch: Callable[[State], None], after_batch: Callable[[int], None]) -> None:
        """Train the remaining epochs; `after_epoch` may save the state, `after_batch` receives the batch's image count.

        CellError for a loss that is not finite.
        """
        state = self.state
        while state.epoch < self.length.epochs:
            started = time.perf_counter()
            train = self.train_epoch(state.epoch, after_batch) if self.objective.trains else {}
            steps = int(train.pop("steps", 0)) + (int(state.curves[-1]["steps"]) if state.curves else 0)
            validation = self._validate(state.epoch, after_batch)
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
            state.curves.append(row | {"seconds": time.perf_counter() - started})
            after_epoch(state)

    def train_epoch(self, epoch: int, after_batch: Callable[[int], None]) -> dict[str, float]:
        """Train one epoch from the current weights; return its mean "loss" and its number of "steps"."""
        network, optimizer = self.state.network.train(), self.state.optimizer
        total = torch.zeros((), device=self.machine.device)
        steps = 0
        with seeded(self.name, "augmentation", epoch):
            with self.machine.autocast():
                self.objective.begin_epoch(network, optimizer, self.train, self.validation)
            for positions in self._positions(epoch):
                images = self.train[positions]
                if self.augment is not None:
                    images = self.augment(images)
                batch = Batch(images, positions, True, self._progress(epoch, steps))
                with self.machine.autocast():
                    loss = self.objective.loss(network, batch)
                optimizer.zero_grad()
                loss.backward()
                if self.switches.gradient_clipping:
                    nn.utils.clip_grad_norm_(network.parameters(), self.settings.pretrain_clip_norm)
                optimizer.step()
                total += loss.detach()  # no .item() here: it would wait for the device
                steps += 1
                after_batch(len(positions))
        return {"loss": float(total) / steps, "steps": steps}

    def _positions(self, epoch: int) -> Iterator[Tensor]:
        """Yield the training batches of one epoch: one pass over the images, or passes until the budget is spent."""
        shuffle, size = generator(self.name, "shuffle", epoch), self.length.batch_size
        passes = (batches(len(self.train), size, shuffle, drop_last=True) for _ in itertools.count())
        if self.length.steps is not None:
            return itertools.islice(itertools.chain.from_iterable(passes), self.length.steps)
        if self.length.seconds is not None:
            return _until(time.monotonic() + self.length.seconds, itertools.chain.from_iterable(passes))
        return next(passes)

    def _progress(self, epoch: int, step: int) -> float:
        """Return the completed share of the pre-training; with a budget of seconds, in whole epochs."""
        steps = self.length.steps or len(self.train) // self.length.batch_size
        within = 0.0 if self.length.seconds else step / steps
        return (epoch + within) / self.length.epochs

    @torch.no_grad()
    def _validate(self, epoch: int, after_batch: Callable[[int], None]) -> dict[str, float]:
        """Return means over the validation batches; the objective's random numbers are the same in every epoch."""
        network = self.state.network.eval()
        found: list[dict[str, Tensor]] = []
        with seeded(self.name, "validation"):
            for positions in batches(len(self.validation), self.length.batch_size, drop_last=True):
                batch = Batch(self.validation[positions], positions, False, self._progress(epoch, 0))
                with self.machine.autocast():
                    found.append(self.objective.measures(network, batch))
                after_batch(len(positions))
        means = torch.stack([torch.stack([values[name].float() for name in found[0]]) for values in found]).mean(0)
        return dict(zip(found[0], means.tolist(), strict=True))


def _until(end: float, positions: Iterator[Tensor]) -> Iterator[Tensor]:
    """Yield at least one batch, and further ones until the monotonic time `end`."""
    for some in positions:
        yield some
        if time.monotonic() >= end:
            return


def held_out_images(count: int, fraction: float) -> int:
    """Return the number of `count` unlabelled images held out for validation."""
    return round(count * fraction)


def check_split(count: int, fraction: float, batch_size: int) -> None:
    """Raise NotFitError unless `count` unlabelled images give at least one batch each to train and to validate."""
    held_out = held_out_images(count, fraction)
    if min(held_out, count - held_out) < batch_size:
        raise NotFitError(
            f"{count:,} unlabelled images leave {held_out:,} for validation; expected at least one batch of "
            f"{batch_size:,}: give more images, or a smaller batch size"
        )


def build_objective(recipe: Recipe, data: Dataset, device: torch.device) -> Objective[Any]:
    """Build the model's objective under the protocol.

    Raises:
        ValueError: the protocol's switches do not allow the sigma.
        NotFitError: too few images.
    """
    count, protocol = len(data.unlabeled), recipe.protocol
    setup = Setup(
        name=recipe.name,
        encoder=recipe.model.encoder,
        sigma=recipe.model.sigma,
        switches=protocol.switches,
        data=data,
        device=device,
        train_images=count - held_out_images(count, protocol.settings.validation_fraction),
        batch_size=recipe.length.batch_size,
    )
    return OBJECTIVES[recipe.model.objective].build(setup)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return Adam's moments and step counts by name, for safetensors."""
    states = optimizer.state_dict()["state"]
    return {f"{index}.{key}": value for index, state in states.items() for key, value in state.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load the output of `optimizer_tensors` into a fresh optimizer.

    Files store tensors contiguously, so the moments are copied to the memory layout of their weights, which may be
    channels last. A fused Adam reads both in memory order, and on a GPU rejects differing strides.
    """
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".")
        states.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": states})
    for weights, state in optimizer.state.items():
        for key in ("exp_avg", "exp_avg_sq"):
            state[key] = torch.empty_like(weights).copy_(state[key])
