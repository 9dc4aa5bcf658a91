"""Training a classifier on one fold: early stopping, learning rate on plateau, best checkpoint.

Source: slides "Downstream" and the released code: cross-entropy, Adam given all parameters, clipping by norm (switch
5), the partial last batch kept, validation loss the mean of batch means, strict improvements counted.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol as Interface

import torch
from torch import Tensor, nn

from pse_repro.config import Protocol
from pse_repro.device import Machine
from pse_repro.errors import CellError
from pse_repro.seeding import seeded


class FoldData(Interface):
    """What a classifier is trained on: batches of (inputs, labels 0..9), inputs being images or features."""

    def train(self, epoch: int) -> Iterable[tuple[Tensor, Tensor]]: ...

    def validation(self) -> Iterable[tuple[Tensor, Tensor]]: ...


@dataclass(frozen=True)
class Fitted:
    """How training on a fold went: losses by epoch, and the epoch (from 0) whose weights were kept."""

    best_epoch: int
    train_losses: list[float]
    validation_losses: list[float]


def fit(
    name: str,
    model: nn.Module,
    data: FoldData,
    protocol: Protocol,
    machine: Machine,
    after_epoch: Callable[[int, float], None],
) -> Fitted:
    """Train `model` and leave it with the weights and buffers of its best epoch.

    `after_epoch` is told the epoch and its validation loss. CellError for a loss that is not finite.
    """
    settings = protocol.settings
    optimizer = torch.optim.Adam(model.parameters(), settings.learning_rate)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=settings.plateau_factor, patience=settings.plateau_patience
    )
    clip_norm = settings.downstream_clip_norm if protocol.switches.gradient_clipping else None
    best: dict[str, Tensor] = {}
    best_epoch, best_loss = -1, math.inf
    train_losses: list[float] = []
    validation_losses: list[float] = []
    for epoch in range(settings.downstream_max_epochs):
        with seeded(name, "epoch", epoch):
            train_losses.append(_train_epoch(model, data.train(epoch), optimizer, clip_norm, machine))
        validation_losses.append(mean_batch_loss(model, data.validation(), machine))
        loss = validation_losses[-1]
        if not (math.isfinite(loss) and math.isfinite(train_losses[-1])):
            raise CellError(f"{name}: loss is {train_losses[-1]} (validation {loss}) in epoch {epoch}; this cell stops")
        plateau.step(loss)
        if loss < best_loss:
            best = {key: value.detach().clone() for key, value in model.state_dict().items()}
            best_epoch, best_loss = epoch, loss
        after_epoch(epoch, loss)
        if epoch - best_epoch >= settings.stopping_patience:
            break
    model.load_state_dict(best)
    return Fitted(best_epoch, train_losses, validation_losses)


def _train_epoch(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    clip_norm: float | None,
    machine: Machine,
) -> float:
    model.train()
    losses = []
    for inputs, labels in batches:
        with machine.autocast():
            logits = model(inputs)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()
        losses.append(loss.detach())
    return float(torch.stack(losses).mean())


@torch.no_grad()
def mean_batch_loss(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], machine: Machine) -> float:
    """The mean of the batches' mean cross-entropies, the last and smaller batch counting like the others."""
    model.eval()
    losses = []
    for inputs, labels in batches:
        with machine.autocast():
            logits = model(inputs)
        losses.append(nn.functional.cross_entropy(logits.float(), labels))
    return float(torch.stack(losses).mean())


@torch.no_grad()
def predict(model: nn.Module, batches: Iterable[Tensor], machine: Machine) -> Tensor:
    """Class probabilities (N, 10) in float64 on the CPU, in the batches' order."""
    model.eval()
    probabilities = []
    for inputs in batches:
        with machine.autocast():
            logits = model(inputs)
        probabilities.append(logits.double().softmax(1).cpu())
    return torch.cat(probabilities)
