"""Distances of permutations."""

import numpy as np


def hamming_distances(permutations_ML: np.ndarray) -> np.ndarray:
    """Return the distances (M (M - 1) / 2,) of all pairs."""
    differ = (permutations_ML[:, None] != permutations_ML).sum(-1)
    return np.asarray(differ[np.triu_indices(len(permutations_ML), 1)])
