"""Evaluations on the features of a frozen encoder: `linear` and `knn`.

Features are the latents of the images without augmentation, with the encoder in evaluation mode.
Shapes: N images, D latent values, K = 10 classes; labels 0..9.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from torch import nn

from pse_repro.data.batches import Images, batches
from pse_repro.data.folds import folds
from pse_repro.data.stl10 import Split
from pse_repro.errors import CellError
from pse_repro.evaluation.base import AfterEpoch, FoldEvaluation, FoldResult, Setup
from pse_repro.evaluation.encoders import assert_unchanged
from pse_repro.evaluation.knn import nearest_neighbours
from pse_repro.evaluation.linear import linear_probe
from pse_repro.machine.device import Machine
from pse_repro.training.classifier import FitResult

FEATURE_BATCH = 128
MAX_FEATURE = 1e15  # native code fails, or ends the process, where distances overflow


class OnFeatures(FoldEvaluation):
    """Linear probe or kNN on the folds. `linear` selects C on the validation images, which `knn` does not use."""

    def __init__(self, setup: Setup, classifier: Literal["linear", "knn"]) -> None:
        super().__init__(setup)
        self.classifier = classifier
        self.loss = "validation_loss" if classifier == "linear" else ""
        self.labels = self.data.train.targets
        settings, switches = self.protocol.settings, self.protocol.switches
        self.folds = folds(self.data.train.stored_labels, settings.folds, switches.fold_order)

    def run(
        self, numbers: Sequence[int], new_encoder: Callable[[], nn.Module], after_epoch: AfterEpoch
    ) -> Iterator[tuple[int, FoldResult]]:
        """Yield each of the folds `numbers`; the seconds for the features are divided among them."""
        since, encoder = time.monotonic(), new_encoder()
        with assert_unchanged(self.name, encoder):
            train_ND, test_ND = (features(encoder, split, self.machine) for split in (self.data.train, self.data.test))
        shared = (time.monotonic() - since) / len(numbers)
        for number in numbers:
            since = time.monotonic()
            train, validation = self.folds[number - 1]
            fit = (train_ND[train], self.labels[train])
            if self.classifier == "knn":
                probabilities_NK, losses = nearest_neighbours(*fit, test_ND), []
            else:
                probe = linear_probe(*fit, train_ND[validation], self.labels[validation], test_ND)
                probabilities_NK, losses = probe.probabilities_NK, [probe.validation_loss]
            after_epoch(number, 0, losses[0] if losses else float("nan"))
            fitted = FitResult(best_epoch=0, train_losses=[], validation_losses=losses)
            yield number, FoldResult(probabilities_NK, fitted, shared + time.monotonic() - since)


@torch.no_grad()
def features(encoder: nn.Module, split: Split, machine: Machine) -> np.ndarray:
    """Return latents (N, D) in float32, in the images' order, with the encoder in evaluation mode.

    Raises:
        CellError: a value is not finite, or too large to be squared and summed in float32.
    """
    encoder.eval()
    images = Images(split, machine.device)
    with machine.autocast():
        parts = batches(len(images), FEATURE_BATCH, device=images.place)
        latents = [encoder(images[positions]).float() for positions in parts]
    features_ND = torch.cat(latents).cpu().numpy()  # the only transfer to the CPU
    largest = float(np.abs(features_ND).max(initial=0.0))  # NaN if a value is
    if not largest <= MAX_FEATURE:
        raise CellError(
            f"the encoder's features reach {largest:g}; expected finite values up to {MAX_FEATURE:g}: its training "
            "diverged, this cell stops; try a smaller learning rate"
        )
    return features_ND
