"""Labelled images for objectives that train with labels: drawn for training, held out for the curves.

Shapes: N images (N, 3, 96, 96) in [0, 1], labels (N,) 0..9, logits (N, 10).
"""

import numpy as np
import torch
from torch import Tensor, nn

from pse_repro.data.augment.steps import pretrain_augmentation
from pse_repro.data.batches import Images
from pse_repro.data.subsets import balanced_subset
from pse_repro.errors import NotFitError
from pse_repro.objectives.base import Setup

TRAIN_FRACTION = 0.85  # maximum of the labelled images; every objective holds out the rest
SUBSET = 1  # number of the balanced subset; low-label's first subset has the same


class LabelledImages:
    """A class-balanced `fraction` of the labelled images for training, and held-out images for measuring.

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
        self.setup, self.augment = setup, pretrain_augmentation("small")
        self._train, self._train_labels = self._part(trained)
        self._held_out, self._held_out_labels = self._part(held_out)

    def _part(self, indices: np.ndarray) -> tuple[Images, Tensor]:
        labels = self.setup.data.train.targets[indices]
        images = Images(self.setup.data.train, self.setup.device, indices)
        return images, torch.from_numpy(labels).to(self.setup.device)

    def __len__(self) -> int:
        """Return the number of training images."""
        return len(self._train)

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Draw training images and their labels, with replacement, and apply the small augmentation of switch 4.

        It is applied whatever the switch's value, because the images are few and seen many times.
        """
        positions = torch.randint(len(self._train), (count,)).to(self.setup.device, non_blocking=True)
        images = self._train[positions]
        return (images if self.augment is None else self.augment(images)), self._train_labels[positions]

    def held_out(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return one held-out image and its label per position (N,); positions wrap around."""
        positions = positions % len(self._held_out)
        return self._held_out[positions], self._held_out_labels[positions]


def classification(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return the mean cross-entropy "loss", in float32, and the top-1 "accuracy" in percent."""
    accuracy = 100 * (logits.argmax(1) == labels).float().mean()
    return {"loss": nn.functional.cross_entropy(logits.float(), labels), "accuracy": accuracy}
