"""Optimizer of a pre-training, and its learning rate from step to step.

Source of the schedule: I. Loshchilov & F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
equation 5, without restarts; linear warm-up as in P. Goyal et al., "Accurate, large minibatch SGD" (arXiv 1706.02677),
section 2.2.
"""

import math

import torch
from torch import Tensor, nn

from pse_repro.config.study import OptimizerSettings, Recipe

MOMENTUM = 0.9  # of SGD


def new_optimizer(network: nn.Module, recipe: Recipe, device: torch.device) -> torch.optim.Optimizer:
    """Return the optimizer of all parameters of a network, on the device already.

    On a GPU a learning rate that changes is a tensor: a captured step reads it where it lies.
    """
    own, on_gpu, rate = recipe.model, device.type == "cuda", recipe.learning_rate
    weights, lr = network.parameters(), torch.tensor(rate, device=device) if on_gpu and own.changes_rate else rate
    decay = own.weight_decay or 0.0
    if own.optimizer == "sgd":
        return torch.optim.SGD(weights, lr, MOMENTUM, weight_decay=decay, fused=on_gpu)
    kind = torch.optim.AdamW if own.optimizer == "adamw" else torch.optim.Adam
    return kind(weights, lr, weight_decay=decay, fused=on_gpu, capturable=on_gpu)


def rate_factor(settings: OptimizerSettings, done: float) -> float:
    """Return what a learning rate is multiplied by when a share `done`, in [0, 1], of the steps is done."""
    warmup = settings.warmup or 0.0
    if done < warmup:
        return done / warmup
    if settings.schedule != "cosine":
        return 1.0
    return (1 + math.cos(math.pi * (done - warmup) / (1 - warmup))) / 2


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Let the optimizer continue with this learning rate."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
