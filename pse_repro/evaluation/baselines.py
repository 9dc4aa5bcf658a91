"""Baselines that pre-trained features must beat: logistic regression on pixels, and on 256 principal components.

Source: usual practice; both are published at about 36 % top-1 on STL-10's labelled images alone. Each fold trains on
its training images and selects the regularisation strength on its validation images, just as the study's classifiers
select their epoch. No augmentation. Shapes: N images, P pixels (27,648), D components, K = 10 classes.
"""

import numpy as np
from sklearn.decomposition import PCA

from pse_repro.data.folds import folds
from pse_repro.data.stl10 import Dataset
from pse_repro.evaluation.linear import Probe, best_classifier
from pse_repro.seeding import derive

BASELINES = ("pixels", "pca")
COMPONENTS = 256
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # C of LogisticRegression on centred pixels in [0, 1], and on components


class Baseline:
    """One of BASELINES on a data set, fold by fold."""

    def __init__(self, name: str, data: Dataset, count: int, fold_order: str) -> None:
        self.name, self.data = name, data
        self.labels = data.train.targets
        self.folds = folds(data.train.stored_labels, count, fold_order)
        self.test_NP = _pixels(data.test.stored_NCWH)

    def fold(self, number: int) -> Probe:
        """Fit the classifier of fold `number`, from 1."""
        train, validation = self.folds[number - 1]
        inputs = [_pixels(self.data.train.stored_NCWH[part]) for part in (train, validation)] + [self.test_NP]
        train_ND, validation_ND, test_ND = self._features(inputs, number)
        labels = self.labels
        return best_classifier(train_ND, labels[train], validation_ND, labels[validation], test_ND, STRENGTHS)

    def _features(self, inputs: list[np.ndarray], number: int) -> list[np.ndarray]:
        """Return `inputs` centred on the first, the training images; for "pca", projected to its components."""
        mean_P = inputs[0].mean(0)
        centred = [part - mean_P for part in inputs]
        if self.name == "pixels":
            # The classifier's weights are in the span of the training images, so coordinates in that span are enough:
            # N instead of P numbers per image give the same classifier, as rotation does not change the penalty.
            basis_PN, _ = np.linalg.qr(centred[0].T)
            return [(part @ basis_PN).astype(np.float64) for part in centred]
        if not centred[0].any():  # equal images have no principal components
            return [np.zeros((len(part), 1)) for part in centred]
        components = min(COMPONENTS, *centred[0].shape)
        seed = derive("baseline", self.name, number) % 2**32
        pca = PCA(components, svd_solver="randomized", random_state=seed).fit(centred[0])
        return [pca.transform(part).astype(np.float64) for part in centred]


def _pixels(stored_NCWH: np.ndarray) -> np.ndarray:
    return stored_NCWH.reshape(len(stored_NCWH), -1).astype(np.float32) / 255
