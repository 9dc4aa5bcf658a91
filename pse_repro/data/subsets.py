"""Class-balanced subsets of the labelled images, numbered, and the same for every model and seed."""

import numpy as np
import torch

from pse_repro.data.stl10 import CLASSES
from pse_repro.seeding import generator


def balanced_subset(labels: np.ndarray, fraction: float, number: int) -> np.ndarray:
    """Return the ascending indices of a `fraction` of the images, equally many per class; labels are 1..10.

    Each class contributes at least one image, and all of its images if it has too few. Each `number` gives an
    independent subset; with the same number, a smaller fraction is contained in a larger one.

    Raises:
        ValueError: fraction outside (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction is {fraction:g}; expected more than 0 and at most 1")
    if fraction == 1:
        return np.arange(len(labels))
    order = torch.randperm(len(labels), generator=generator("labelled subset", number)).numpy()
    per_class = images_per_class(len(labels), fraction)
    chosen = [order[labels[order] == label][:per_class] for label in range(1, CLASSES + 1)]
    return np.sort(np.concatenate(chosen))


def images_per_class(count: int, fraction: float) -> int:
    """Return the images per class in a balanced subset of `count` labelled images, at least one."""
    return max(1, round(count * fraction / CLASSES))
