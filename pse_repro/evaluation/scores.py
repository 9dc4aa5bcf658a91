"""Scores of class probabilities: top-k accuracy in percent and cross-entropy.

Shapes: N test images, probabilities_NK (N, 10), labels (N,) 0..9.
"""

import numpy as np

TOP_K = (1, 2, 4)
METRICS = (*(f"top{k}" for k in TOP_K), "loss")


def hits(probabilities_NK: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Return (N,) 1.0 if the label is among the k most probable classes, else 0.0; ties go to the first class."""
    top = np.argsort(-probabilities_NK, axis=1, kind="stable")[:, :k]
    return (top == labels[:, None]).any(axis=1).astype(np.float64)


def cross_entropies(probabilities_NK: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return (N,) the negative log probability of each label."""
    likelihood = probabilities_NK[np.arange(len(labels)), labels]
    return -np.log(np.maximum(likelihood, np.finfo(np.float64).tiny))


def scores(
    probabilities_NK: np.ndarray, labels: np.ndarray, batch_order: np.ndarray | None = None, batch_size: int = 128
) -> dict[str, float]:
    """Return METRICS: top1, top2, top4 in percent and loss, over all images or batches of `batch_order` (switch 12).

    The released code averages the means of consecutive batches of the test set in its own order, so images of a smaller
    last batch have more weight.
    """
    shares = (100 * hits(probabilities_NK, labels, k) for k in TOP_K)
    values = dict(zip(METRICS, (*shares, cross_entropies(probabilities_NK, labels)), strict=True))
    if batch_order is None:
        return {metric: float(value.mean()) for metric, value in values.items()}
    starts = range(0, len(labels), batch_size)
    return {
        metric: float(np.mean([value[batch_order[start : start + batch_size]].mean() for start in starts]))
        for metric, value in values.items()
    }


def ensemble(fold_probabilities: list[np.ndarray]) -> np.ndarray:
    """Return the mean (N, 10) of the folds' softmax outputs."""
    return np.mean(fold_probabilities, axis=0)
