"""The images of a study, and class-balanced subsets of the labelled ones, the same for every model and seed."""

from dataclasses import replace

import numpy as np
import torch

from pse_repro.config.study import Subset
from pse_repro.data.stl10 import CLASSES, Dataset, Split
from pse_repro.errors import NotFitError
from pse_repro.seeding import generator

HELD_OUT = 0  # number of the subset that is left when labelled images are held out; others count from 1


def images_of(data: Dataset, subset: Subset) -> Dataset:
    """Return the images of a study: at most so many per split, and held-out labelled images for test images.

    Raises:
        NotFitError: too few labelled images to hold any out.
    """
    data = data.subset(subset)
    if subset.held_out is None:
        return data
    labels = data.train.stored_labels
    held_out = balanced_subset(labels, subset.held_out, HELD_OUT)
    kept = np.setdiff1d(np.arange(len(labels)), held_out)
    if not len(kept):
        raise NotFitError(f"{len(labels)} labelled images are too few to hold any out; expected several of each class")
    train, test = (
        Split(data.train.stored_NCWH[part], labels[part], indices=data.train.in_file[part]) for part in (kept, held_out)
    )
    return replace(data, train=train, test=test)


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
