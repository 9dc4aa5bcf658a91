"""Weighted nearest neighbours on frozen features, without any training.

Source: Z. Wu, Y. Xiong, S. X. Yu & D. Lin, "Unsupervised feature learning via non-parametric instance discrimination",
CVPR 2018 (its weights and temperature, 200 neighbours among a million images; here 20 among some thousand).
Shapes: N images, T training images, D features, K = 10 classes; labels are 0..9.
"""

import numpy as np

from pse_repro.data.stl10 import CLASSES

BATCH = 1024  # test images per block: similarities to 5,000 training images take 20 MB


def nearest_neighbours(
    train_ND: np.ndarray,
    train_labels: np.ndarray,
    test_ND: np.ndarray,
    neighbours: int = 20,
    temperature: float = 0.07,
) -> np.ndarray:
    """Return probabilities (N, K) in float64: each class's share of the nearest images' weights exp(s / temperature).

    s is the cosine similarity (0 for a feature vector of zeros). Ties go to the first images. If there are fewer
    training images than `neighbours`, all are used.

    Raises:
        ValueError: neighbours is below 1, or temperature is not above 0.
    """
    if neighbours < 1 or not temperature > 0:
        raise ValueError(f"neighbours is {neighbours}, temperature {temperature}; expected 1 or more, and above 0")
    train_TD, classes_TK = _unit(train_ND), np.eye(CLASSES)[train_labels]
    probabilities = []
    for start in range(0, len(test_ND), BATCH):
        similar_NT = _unit(test_ND[start : start + BATCH]) @ train_TD.T
        nearest = np.argsort(-similar_NT, axis=1, kind="stable")[:, :neighbours]
        similar = np.take_along_axis(similar_NT, nearest, axis=1).astype(np.float64)
        weights = np.exp((similar - similar[:, :1]) / temperature)  # the first is the largest
        votes_NK = np.einsum("nt,ntk->nk", weights, classes_TK[nearest])
        probabilities.append(votes_NK / votes_NK.sum(1, keepdims=True))
    return np.concatenate([np.empty((0, CLASSES)), *probabilities])


def _unit(features_ND: np.ndarray) -> np.ndarray:
    """Return the rows scaled to length 1, in float32; rows of zeros are kept."""
    features_ND = np.asarray(features_ND, np.float32)
    length = np.linalg.norm(features_ND, axis=1, keepdims=True)
    return features_ND / np.where(length > 0, length, 1)
