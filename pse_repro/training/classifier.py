"""Training of a classifier on one fold: early stopping, learning rate on plateau, best checkpoint.

Source: slides "Downstream" and the released code: cross-entropy, Adam on all parameters, clipping by norm (switch 5),
partial last batches kept, validation loss as the mean of batch means, only strict improvements counted.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol as Interface

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from pse_repro.config.protocol import Protocol, Settings
from pse_repro.errors import CellError
from pse_repro.machine.device import Machine
from pse_repro.seeding import seeded
from pse_repro.training.capture import Captured
from pse_repro.training.optimizer import set_rate


class FoldData(Interface):
    """Training and validation data of a classifier: batches of (inputs, labels 0..9); inputs are images or features."""

    def train(self, epoch: int) -> Iterable[tuple[Tensor, Tensor]]: ...

    def validation(self) -> Iterable[tuple[Tensor, Tensor]]: ...


@dataclass(frozen=True)
class Task:
    """Inputs of training on one fold: its name (for its random numbers), a fresh classifier, its batches."""

    name: str
    classifier: nn.Module
    data: FoldData
    after_epoch: Callable[[int, float], None]  # receives the epoch and its validation loss


@dataclass(frozen=True)
class FitResult:
    """Training history of a fold: losses by epoch, and the epoch (from 0) whose weights were kept."""

    best_epoch: int
    train_losses: list[float]
    validation_losses: list[float]


class TrainingHistory:
    """Losses of a fold's training by epoch, the best epoch (from 0) so far, and early stopping."""

    def __init__(self, name: str, patience: int) -> None:
        self.name, self.patience = name, patience
        self.best_epoch, self.best_loss = -1, math.inf
        self.train_losses: list[float] = []
        self.validation_losses: list[float] = []

    def record(self, train_loss: float, validation_loss: float) -> bool:
        """Record an epoch's losses; return whether it is the best so far. CellError for a loss that is not finite."""
        epoch = len(self.validation_losses)
        if not (math.isfinite(validation_loss) and math.isfinite(train_loss)):
            raise CellError(
                f"{self.name}: loss is {train_loss} (validation {validation_loss}) in epoch {epoch}; this cell stops"
            )
        self.train_losses.append(train_loss)
        self.validation_losses.append(validation_loss)
        is_best = validation_loss < self.best_loss
        if is_best:
            self.best_epoch, self.best_loss = epoch, validation_loss
        return is_best

    @property
    def is_over(self) -> bool:
        """True if there was no better epoch for `patience` epochs (early stopping)."""
        return len(self.validation_losses) - 1 - self.best_epoch >= self.patience

    def fitted(self) -> FitResult:
        return FitResult(self.best_epoch, self.train_losses, self.validation_losses)


def new_adam(model: nn.Module, settings: Settings, machine: Machine) -> torch.optim.Adam:
    """Return the optimizer of all parameters of a classifier, or of a classifier and its encoder.

    On a GPU its learning rate is a tensor: a captured step reads it where it lies, so it is changed in place.
    """
    if machine.device.type != "cuda":
        return torch.optim.Adam(model.parameters(), settings.learning_rate)
    rate = torch.tensor(settings.learning_rate, device=machine.device)
    return torch.optim.Adam(model.parameters(), rate, fused=True, capturable=True)


class PlateauRate(ReduceLROnPlateau):
    """The learning rate `value`, to be reduced by `step` with each epoch's validation loss."""

    def __init__(self, settings: Settings) -> None:
        holder = torch.optim.SGD([torch.zeros(1)], settings.learning_rate)  # PyTorch would replace a rate on a GPU
        super().__init__(holder, factor=settings.plateau_factor, patience=settings.plateau_patience)

    @property
    def value(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def give_to(self, optimizer: torch.optim.Optimizer) -> None:
        """Let the optimizer continue with this rate."""
        set_rate(optimizer, self.value)


def fit(
    name: str,
    model: nn.Module,
    data: FoldData,
    protocol: Protocol,
    machine: Machine,
    after_epoch: Callable[[int, float], None],
) -> FitResult:
    """Train `model` and load the weights and buffers of its best epoch.

    `after_epoch` receives the epoch and its validation loss. CellError for a loss that is not finite.
    """
    settings = protocol.settings
    optimizer = new_adam(model, settings, machine)
    step = training_step(model, optimizer, protocol, machine)
    rate = PlateauRate(settings)
    best: dict[str, Tensor] = {}
    history = TrainingHistory(name, settings.stopping_patience)
    for epoch in range(settings.downstream_max_epochs):
        with seeded(name, "epoch", epoch):
            trained = train_epoch(model, data.train(epoch), step)
        validated = mean_batch_loss(model, data.validation(), machine)
        train_loss, loss = torch.stack([trained, validated]).tolist()  # an epoch's only transfer to the CPU
        if history.record(train_loss, loss):
            best = {key: value.detach().clone() for key, value in model.state_dict().items()}
        rate.step(loss)
        rate.give_to(optimizer)
        after_epoch(epoch, loss)
        if history.is_over:
            break
    model.load_state_dict(best)
    return history.fitted()


def training_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, protocol: Protocol, machine: Machine
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the step on one batch: inputs and labels on the device in, the batch's loss on the device out.

    All of its work is on the device, on a GPU in a CUDA graph. Gradients are clipped by norm under switch 5.
    """
    clip_norm = protocol.settings.downstream_clip_norm if protocol.switches.gradient_clipping else None

    def step(inputs: Tensor, labels: Tensor) -> Tensor:
        with machine.autocast():
            logits = model(inputs)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()
        return loss.detach()

    return Captured(step) if machine.captures else step


def train_epoch(
    model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], step: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Train for one epoch by the model's `training_step`; return the mean of the batch losses, on the device."""
    model.train()
    return torch.stack([step(inputs, labels) for inputs, labels in batches]).mean()


@torch.no_grad()
def mean_batch_loss(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], machine: Machine) -> Tensor:
    """Return the mean of the batches' mean cross-entropies, on the device; a smaller last batch has the same weight."""
    model.eval()
    losses = []
    for inputs, labels in batches:
        with machine.autocast():
            logits = model(inputs)
        losses.append(nn.functional.cross_entropy(logits.float(), labels))
    return torch.stack(losses).mean()


@torch.no_grad()
def predict(model: nn.Module, batches: Iterable[Tensor], machine: Machine) -> Tensor:
    """Return class probabilities (N, 10) in float64 on the CPU, in the batches' order."""
    model.eval()
    with machine.autocast():
        logits = torch.cat([model(inputs) for inputs in batches])
    return logits.cpu().double().softmax(1)  # the only transfer to the CPU
