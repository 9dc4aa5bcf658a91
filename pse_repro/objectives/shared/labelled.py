"""Labelled images for objectives that train with labels: drawn for training, held out for the curves.

Shapes: N images (N, 3, 96, 96) in [0, 1], labels (N,) 0..9, logits (N, 10).
"""

import numpy as np
from torch import Tensor, nn

from pse_repro.data.augment.steps import pretrain_augmentation
from pse_repro.data.subsets import balanced_subset
from pse_repro.errors import NotFitError
from pse_repro.objectives.base import Setup
from pse_repro.objectives.shared.drawn import DrawnImages

TRAIN_FRACTION = 0.85  # maximum of the labelled images; every objective holds out the rest
SUBSET = 1  # number of the balanced subset; low-label's first subset has the same


class LabelledImages(DrawnImages):
    """A class-balanced `fraction` of the labelled images for training, and held-out images for measuring.

    Drawn images have the small augmentation of switch 4.

    Raises:
        ValueError: fraction outside (0, TRAIN_FRACTION].
        NotFitError: too few images to hold any out.
    """

    def __init__(self, setup: Setup, fraction: float = TRAIN_FRACTION) -> None:
        if not 0 < fraction <= TRAIN_FRACTION:
            raise ValueError(f"fraction of labels is {fraction:g}; expected more than 0, at most {TRAIN_FRACTION:g}")
        labels = setup.data.train.stored_labels
        trained = balanced_subset(labels, fraction, SUBSET)
        held_out = np.setdiff1d(np.arange(len(labels)), balanced_subset(labels, TRAIN_FRACTION, SUBSET))
        if not len(held_out):
            raise NotFitError(
                f"{len(labels)} labelled images are too few to hold any out; expected 4 or more of each class"
            )
        super().__init__(setup.data.train, setup.data.train.targets, (trained, held_out), setup.device)
        self.augment = pretrain_augmentation("small")


def classification(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return the mean cross-entropy "loss", in float32, and the top-1 "accuracy" in percent."""
    accuracy = 100 * (logits.argmax(1) == labels).float().mean()
    return {"loss": nn.functional.cross_entropy(logits.float(), labels), "accuracy": accuracy}
