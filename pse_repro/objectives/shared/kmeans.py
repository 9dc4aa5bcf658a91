"""K-means on whitened features, on whatever device they are.

What is drawn comes from PyTorch's global generator on the CPU.
Shapes: features_ND, N points of D values; K centroids.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

PERTURBATION = 1e-3  # of a centroid that is split, in every value; whitened points have unit length


@dataclass(frozen=True)
class Whitening:
    """The principal components (D, P) with the largest variance, divided by their standard deviation."""

    mean_D: Tensor
    components_DP: Tensor

    @classmethod
    def of(cls, features_ND: Tensor, size: int) -> "Whitening":
        """Of the features' P = `size` largest components; one without variance gives zeros."""
        mean_D = features_ND.mean(0)
        centred = features_ND - mean_D
        variances, directions = torch.linalg.eigh((centred.T @ centred / len(centred)).double())
        variances, directions = variances[-size:], directions[:, -size:]
        floor = (1e-6 * variances[-1]).clamp_min(torch.finfo(torch.float32).tiny)
        return cls(mean_D, (directions / variances.clamp_min(floor).sqrt()).to(features_ND.dtype))

    def __call__(self, features_ND: Tensor) -> Tensor:
        """Points (N, P) of unit length."""
        return normalize((features_ND - self.mean_D) @ self.components_DP)


def kmeans(points_ND: Tensor, clusters: int, iterations: int = 20) -> Tensor:
    """Centroids (K, D) by Lloyd's algorithm from random points; a cluster that loses all its points is re-split."""
    chosen = torch.randperm(len(points_ND))[:clusters]
    centroids_KD = points_ND[chosen.to(points_ND.device)]
    for _ in range(iterations):
        centroids_KD = split_empty(*means(points_ND, nearest(points_ND, centroids_KD), clusters))
    return centroids_KD


def nearest(points_ND: Tensor, centroids_KD: Tensor) -> Tensor:
    """The number (N,) of each point's nearest centroid."""
    return (centroids_KD.square().sum(1) - 2 * points_ND @ centroids_KD.T).argmin(1)


def means(points_ND: Tensor, labels_N: Tensor, clusters: int) -> tuple[Tensor, Tensor]:
    """Each cluster's mean (K, D), 0 where it is empty, and its number of points (K,)."""
    is_member_NK = one_hot(labels_N, clusters).to(points_ND)  # a matrix product, since scattered sums differ on GPUs
    counts_K = is_member_NK.sum(0)
    return is_member_NK.T @ points_ND / counts_K.clamp_min(1)[:, None], counts_K


def split_empty(centroids_KD: Tensor, counts_K: Tensor) -> Tensor:
    """The centroids, every empty cluster's placed beside that of a random other one, which steps back as far.

    The other one's points are thereby shared between the two. It has two points at least, and is split once at most:
    where there are too few of them, clusters stay empty until the next iteration.
    """
    counts_K = counts_K.cpu()
    empty = (counts_K == 0).nonzero()[:, 0]
    if not len(empty):
        return centroids_KD
    large = (counts_K > 1).nonzero()[:, 0]
    split = large[torch.randperm(len(large))][: len(empty)]
    empty = empty[: len(split)]
    step = PERTURBATION * torch.randn(len(split), centroids_KD.shape[1]).to(centroids_KD)
    centroids_KD = centroids_KD.clone()
    centroids_KD[empty] = centroids_KD[split] + step
    centroids_KD[split] -= step
    return centroids_KD
