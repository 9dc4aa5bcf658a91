"""Wording of a stage's facts: its phase, last epoch and loss."""

import math

from pse_repro.progress.facts import Epoch
from pse_repro.progress.listener import Stage


def phase_words(stage: Stage) -> str:
    """Format the phase and its folds: "finetune, 5 folds", "finetune, fold 3", "pre-train"."""
    if not stage.folds:
        return stage.phase
    return f"{stage.phase}, " + (f"fold {stage.folds[0]}" if len(stage.folds) == 1 else f"{len(stage.folds)} folds")


def loss_name(epoch: Epoch) -> str:
    return "train loss" if epoch.validation_loss is None else "validation loss"


def loss_words(name: str, value: float | None) -> str:
    """Format a loss by name and value; None, which JSON has for NaN and infinity, is not finite."""
    return f"{name} {'not finite' if value is None or not math.isfinite(value) else f'{value:.4g}'}"


def last_epoch(stage: Stage) -> str:
    """Format the epoch measured last: "fold 3, epoch 5, validation loss 1.234"; empty before the first."""
    if not stage.history:
        return ""
    epoch = stage.history[-1]
    parts = [] if epoch.fold is None else [f"fold {epoch.fold}"]
    parts.append(f"epoch {epoch.number + 1}" + (f"/{stage.epochs}" if stage.epochs else ""))
    if epoch.loss is not None:
        parts.append(loss_words(loss_name(epoch), epoch.loss))
    return ", ".join(parts)
