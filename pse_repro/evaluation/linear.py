"""Linear evaluation: one linear layer on frozen features, by logistic regression.

Source: usual practice since R. Zhang, P. Isola & A. Efros, "Colorful image colorization", ECCV 2016; here the layer is
fitted to its optimum rather than trained by steps. Shapes: N images, D features, K = 10 classes; labels are 0..9.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from pse_repro.data.stl10 import CLASSES
from pse_repro.evaluation.scores import cross_entropies

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # C of LogisticRegression on standardised features: the inverse penalty
ITERATIONS = 200


@dataclass(frozen=True)
class Probe:
    """A classifier on the test images: probabilities (N, K), the selected C, its validation cross-entropy."""

    probabilities_NK: np.ndarray
    strength: float
    validation_loss: float


def linear_probe(
    train_ND: np.ndarray,
    train_labels: np.ndarray,
    validation_ND: np.ndarray,
    validation_labels: np.ndarray,
    test_ND: np.ndarray,
) -> Probe:
    """Fit multinomial logistic regression on standardised features; C is selected on the validation part.

    The training part gives mean and standard deviation. A class that it lacks has probability 0.

    Raises:
        ValueError: a feature is not finite, or the training part has fewer than two classes.
    """
    mean_D, deviation_D = moments(train_ND)
    parts = [(np.asarray(part, np.float64) - mean_D) / deviation_D for part in (train_ND, validation_ND, test_ND)]
    return best_classifier(parts[0], train_labels, parts[1], validation_labels, parts[2], STRENGTHS)


def moments(features_ND: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation (D,) in float64; a constant feature gets deviation 1."""
    features_ND = np.asarray(features_ND, np.float64)
    mean_D, deviation_D = features_ND.mean(0), features_ND.std(0)
    return mean_D, np.where(deviation_D > 1e-7 * np.maximum(1, np.abs(mean_D)), deviation_D, 1)


def best_classifier(
    train_ND: np.ndarray,
    train_labels: np.ndarray,
    validation_ND: np.ndarray,
    validation_labels: np.ndarray,
    test_ND: np.ndarray,
    strengths: Sequence[float],
) -> Probe:
    """Fit with each C in `strengths` and return the probe with the lowest validation cross-entropy.

    Features are used as given. `strengths` must not be empty.
    """
    best: Probe | None = None
    for strength in strengths:
        model = LogisticRegression(C=strength, max_iter=ITERATIONS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early regularises as well
            model.fit(train_ND, train_labels)
        loss = float(cross_entropies(_all_classes(model, validation_ND), validation_labels).mean())
        if best is None or loss < best.validation_loss:
            best = Probe(_all_classes(model, test_ND), strength, loss)
    assert best is not None
    return best


def _all_classes(model: LogisticRegression, features_ND: np.ndarray) -> np.ndarray:
    """Return probabilities (N, K) in float64; 0 for a class that the training images lack."""
    probabilities = np.zeros((len(features_ND), CLASSES))
    probabilities[:, model.classes_] = model.predict_proba(features_ND)
    return probabilities
