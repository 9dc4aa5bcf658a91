"""The kit's folds and the straightforward ones, shared by the groups finetune and heads."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from pse_repro.bench import straightforward as plain
from pse_repro.config.protocol import Protocol
from pse_repro.evaluation.base import FoldResult
from pse_repro.evaluation.downstream import Downstream
from pse_repro.models import ENCODERS, build_classifier


def run_folds(downstream: Downstream, numbers: Iterable[int], new_encoder: Callable[[], nn.Module]) -> list[FoldResult]:
    """Train and test the kit's folds with these numbers."""
    return [result for _, result in downstream.run(list(numbers), new_encoder, lambda fold, epoch, loss: None)]


def plain_fold(
    encoder: nn.Module,
    classifier: nn.Module,
    loaders: tuple[plain.Loader, plain.Loader, plain.Loader],
    protocol: Protocol,
    device: torch.device,
) -> tuple[list[float], Tensor]:
    """Train and test one fold on its (training, validation, test) loaders.

    Returns the training loss of each epoch and the test images' probabilities (N, 10).
    """
    train, validation, test = loaders
    encoder.requires_grad_(protocol.switches.finetuning == "whole-encoder")
    model = nn.Sequential(encoder, classifier).to(device)
    losses = plain.fit(model, train, validation, protocol.settings, device)
    return losses, plain.predict(model, test, device)


def new_classifier(protocol: Protocol, encoder: str) -> nn.Module:
    return build_classifier(protocol.switches.classifier, ENCODERS[encoder].latent_size)
