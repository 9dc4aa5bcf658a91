"""Class-balanced subsets of the labelled images: fixed by a number, the same for every model and every seed."""

import numpy as np
import torch

from pse_repro.data.stl10 import CLASSES
from pse_repro.seeding import generator


def balanced_subset(labels: np.ndarray, fraction: float, number: int) -> np.ndarray:
    """Indices, ascending, of a `fraction` of the images, with equally many of each class; labels are 1..10.

    A class gives one image at least, and all it has where they are too few. `number` tells independent subsets apart;
    under one number a smaller fraction lies within a larger one. ValueError for a fraction outside (0, 1].
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
    """How many of `count` labelled images a class gives to a balanced subset: a tenth of the fraction, or one."""
    return max(1, round(count * fraction / CLASSES))
