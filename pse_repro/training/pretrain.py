"""Pre-training: an autoencoder on unlabelled images, the checkpoint of the lowest validation loss kept.

Source: slides "Unsupervised Pre-Training" and the released code (switches 4, 5, 6 and 14): Adam, shuffled batches, the
last partial batch dropped in training and in validation, gradients clipped by norm over all parameters.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from pse_repro.config import Model, Protocol
from pse_repro.data.augment import pretrain_augmentation
from pse_repro.data.batches import Images, batches
from pse_repro.device import Machine
from pse_repro.errors import CellError, NotFitError
from pse_repro.loss import PSELoss
from pse_repro.models import Autoencoder, build_autoencoder
from pse_repro.objectives import OBJECTIVES, Objective
from pse_repro.objectives.mse import MSE
from pse_repro.objectives.pse import PSE
from pse_repro.seeding import generator, seeded

CURVE_SIGMA = 3  # objectives without a sigma log the released PSE of this one, as the slides' curves do


@dataclass(frozen=True)
class Length:
    """How long a model is pre-trained (switch 6), and its batch size (switch 14)."""

    epochs: int
    batch_size: int

    @classmethod
    def of(cls, model: Model, protocol: Protocol, study_epochs: int) -> "Length":
        own_length = protocol.switches.pretrain_length == "per-model" and model.epochs is not None
        own_batch = protocol.switches.pretrain_batch == "per-model" and model.batch_size is not None
        epochs = model.epochs if own_length and model.epochs else study_epochs
        if not OBJECTIVES[model.objective].trains:
            epochs = 1  # of validation alone
        batch_size = model.batch_size if own_batch and model.batch_size else protocol.settings.batch_size
        return cls(min(epochs, protocol.settings.pretrain_max_epochs), batch_size)


@dataclass
class State:
    """Everything an interrupted pre-training needs to go on: written and read by the run store."""

    autoencoder: Autoencoder
    optimizer: torch.optim.Optimizer
    best: dict[str, Tensor] = field(default_factory=dict)  # the state dict of the lowest validation loss
    best_epoch: int = -1
    curves: list[dict[str, float]] = field(default_factory=list)  # one row an epoch

    @property
    def epoch(self) -> int:
        return len(self.curves)


class Pretraining:
    """The pre-training of one model; `run` goes through its epochs, from wherever `state` stands."""

    def __init__(
        self,
        name: str,
        model: Model,
        protocol: Protocol,
        study_epochs: int,
        seed: int,
        images: Images,
        machine: Machine,
    ) -> None:
        self.name, self.machine, self.images = name, machine, images
        self.switches, self.settings = protocol.switches, protocol.settings
        self.length = Length.of(model, protocol, study_epochs)
        self.objective: Objective = OBJECTIVES[model.objective].build(model.sigma, self.switches)
        self.mse = MSE()
        self.pse = (
            PSE(PSELoss.as_released(CURVE_SIGMA)) if model.sigma is None else PSE.build(model.sigma, self.switches)
        )
        self.augment = pretrain_augmentation(self.switches.pretrain_augmentation)
        self.train, self.validation = self._split(seed)
        self.state = self._fresh_state(model.encoder)

    def _split(self, seed: int) -> tuple[Tensor, Tensor]:
        """85 % and 15 %, at random; the same for all models of a seed, so that they can be compared in pairs."""
        count = len(self.images)
        order = torch.randperm(count, generator=generator("pretrain split", seed))
        held_out = round(count * self.settings.validation_fraction)
        if min(held_out, count - held_out) < self.length.batch_size:
            raise NotFitError(
                f"{count:,} unlabelled images leave {held_out:,} for validation; expected at least one batch of "
                f"{self.length.batch_size}: give more images, or a study with a smaller batch_size"
            )
        return order[held_out:], order[:held_out]

    def _fresh_state(self, encoder: str) -> State:
        with seeded(self.name, "initialisation"):
            autoencoder = build_autoencoder(encoder)
        autoencoder.to(self.machine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        fused = self.machine.device.type == "cuda"
        optimizer = torch.optim.Adam(autoencoder.parameters(), self.settings.learning_rate, fused=fused)
        return State(autoencoder, optimizer)

    @property
    def images_per_epoch(self) -> int:
        """Images that go through the network in one epoch, validation included."""
        size = self.length.batch_size
        return len(self.train) // size * size + len(self.validation) // size * size

    def run(self, after_epoch: Callable[[State], None], after_batch: Callable[[int], None]) -> None:
        """Train to the end; `after_epoch` may save the state, `after_batch` is told how many images went through.

        CellError when a loss is not finite.
        """
        state = self.state
        while state.epoch < self.length.epochs:
            started = time.perf_counter()
            train = self.train_epoch(state.epoch, after_batch) if self.objective.trains else {}
            validation = self._validate(after_batch)
            row = {
                "epoch": float(state.epoch),
                "steps": float((state.epoch + 1) * (len(self.train) // self.length.batch_size)),
            }
            row |= {f"train_{key}": value for key, value in train.items()}
            row |= {f"validation_{key}": value for key, value in validation.items()}
            for key, value in row.items():
                if not math.isfinite(value):
                    raise CellError(
                        f"{self.name}: {key} is {value} in epoch {state.epoch}; this cell stops, the others go on"
                    )
            best = min((past["validation_loss"] for past in state.curves), default=math.inf)
            if validation["loss"] < best:
                state.best = {key: value.detach().clone() for key, value in state.autoencoder.state_dict().items()}
                state.best_epoch = state.epoch
            state.curves.append(row | {"seconds": time.perf_counter() - started})
            after_epoch(state)

    def train_epoch(self, epoch: int, after_batch: Callable[[int], None]) -> dict[str, float]:
        """One epoch from wherever the weights stand; its mean training loss."""
        autoencoder, optimizer = self.state.autoencoder.train(), self.state.optimizer
        total = torch.zeros((), device=self.machine.device)
        shuffle = generator(self.name, "shuffle", epoch)
        steps = 0
        with seeded(self.name, "augmentation", epoch):
            for positions in batches(len(self.train), self.length.batch_size, shuffle, drop_last=True):
                images = self.images[self.train[positions]]
                if self.augment is not None:
                    images = self.augment(images)
                with self.machine.autocast():
                    loss = self.objective(autoencoder(images)[1], images)
                optimizer.zero_grad()
                loss.backward()
                if self.switches.gradient_clipping:
                    nn.utils.clip_grad_norm_(autoencoder.parameters(), self.settings.pretrain_clip_norm)
                optimizer.step()
                total += loss.detach()  # no .item() here: it would wait for the device
                steps += 1
                after_batch(len(positions))
        return {"loss": float(total) / steps}

    @torch.no_grad()
    def _validate(self, after_batch: Callable[[int], None]) -> dict[str, float]:
        autoencoder = self.state.autoencoder.eval()
        totals = torch.zeros(3, device=self.machine.device)
        steps = 0
        for positions in batches(len(self.validation), self.length.batch_size, drop_last=True):
            images = self.images[self.validation[positions]]
            with self.machine.autocast():
                reconstruction = autoencoder(images)[1]
            totals += torch.stack([loss(reconstruction, images) for loss in (self.objective, self.mse, self.pse)])
            steps += 1
            after_batch(len(positions))
        return dict(zip(("loss", "mse", "pse"), (totals / steps).tolist(), strict=True))


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments and step counts by name, for safetensors."""
    states = optimizer.state_dict()["state"]
    return {f"{index}.{key}": value for index, state in states.items() for key, value in state.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The inverse of `optimizer_tensors`, into a fresh optimizer."""
    states: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".")
        states.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": states})
