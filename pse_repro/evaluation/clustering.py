"""Clusters of an encoder's features, compared with the classes: Kernel PCA, t-SNE to two dimensions, k-means.

Source: NTU machine learning 2020, homework 9, report (Kernel PCA, t-SNE, clustering into two domains, accuracy as
max(acc, 1 - acc), at least ten checkpoints). It leaves kernel, components and method open: here a Gaussian kernel on
standardised features, 200 components, k-means.
B. Schoelkopf, A. Smola & K.-R. Mueller, Neural Computation 10, 1998; L. van der Maaten & G. Hinton, JMLR 9, 2008.
Shapes: N images, D features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.decomposition import KernelPCA
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from pse_repro.evaluation.linear import moments

MAX_POINTS = 1_000  # the kernel is N x N, and t-SNE takes seconds
MIN_POINTS = 5
COMPONENTS = 200
PERPLEXITY = 30.0
STARTS = 10  # of k-means
VEHICLES = (0, 2, 8, 9)  # airplane, car, ship, truck; the other six of STL-10's classes are animals
MIN_CHECKPOINTS = 10


@dataclass(frozen=True)
class Clustering:
    """Agreement of clusters and labels, from 0 to 1 (ari: at most 1, 0 for chance).

    `accuracy` is that of the best matching of clusters to labels, at most one label per cluster. `embedding_N2` is
    t-SNE's; `assigned_N` is the cluster of each image, from 0.
    """

    accuracy: float
    nmi: float
    ari: float
    embedding_N2: np.ndarray
    assigned_N: np.ndarray


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rho and its two-sided p-value, over a number of checkpoints.

    The p-value assumes independent checkpoints. Consecutive epochs are not independent, so it is descriptive only.
    """

    rho: float
    p_value: float
    checkpoints: int


def cluster(features_ND: np.ndarray, labels_N: np.ndarray, seed: int, clusters: int) -> Clustering:
    """Embed the features in two dimensions and cluster them there; labels are any integers, `seed` is below 2**32.

    Raises:
        ValueError: fewer than 5 or more than 1,000 images, fewer images than clusters, a feature is not finite.
    """
    return cluster_embedding(embed(features_ND, seed), labels_N, seed, clusters)


def embed(features_ND: np.ndarray, seed: int) -> np.ndarray:
    """Return t-SNE of the Kernel PCA of standardised features, (N, 2) in float32, for any number of threads the same.

    The kernel is exp(-d^2 / D), scikit-learn's default width: d^2 of two standardised images is about 2 D.

    Raises:
        ValueError: fewer than 5 or more than 1,000 images, a feature is not finite.
    """
    count = len(features_ND)
    if not MIN_POINTS <= count <= MAX_POINTS:
        raise ValueError(f"there are {count} images to cluster; expected {MIN_POINTS} to {MAX_POINTS}: give a part")
    mean_D, deviation_D = moments(features_ND)
    standardised_ND = (features_ND - mean_D) / deviation_D
    components = min(COMPONENTS, count - 1)
    reduce = KernelPCA(components, kernel="rbf", eigen_solver="dense")
    # Random start: from principal components, t-SNE fails if an encoder gives all images the same features.
    project = TSNE(2, perplexity=min(PERPLEXITY, (count - 1) / 3), init="random", random_state=seed)
    with threadpool_limits(1):  # sums over threads depend on their number
        embedding: np.ndarray = project.fit_transform(reduce.fit_transform(standardised_ND))
    return embedding


def cluster_embedding(embedding_N2: np.ndarray, labels_N: np.ndarray, seed: int, clusters: int) -> Clustering:
    """Cluster an embedding by k-means, so that one embedding can be compared with several labellings.

    Raises:
        ValueError: fewer images than clusters.
    """
    with threadpool_limits(1):
        assigned_N = KMeans(clusters, n_init=STARTS, random_state=seed).fit_predict(embedding_N2)
    return Clustering(
        accuracy=matched_accuracy(assigned_N, labels_N),
        nmi=float(normalized_mutual_info_score(labels_N, assigned_N)),
        ari=float(adjusted_rand_score(labels_N, assigned_N)),
        embedding_N2=embedding_N2,
        assigned_N=assigned_N,
    )


def matched_accuracy(assigned_N: np.ndarray, labels_N: np.ndarray) -> float:
    """Return the share of images whose cluster is matched to their label, maximised over matchings.

    For two clusters and two labels this is max(acc, 1 - acc). Source: H. W. Kuhn, Naval Research Logistics 2, 1955.
    """
    counts = contingency_matrix(labels_N, assigned_N)
    return float(counts[linear_sum_assignment(counts, maximize=True)].sum() / len(labels_N))


def two_domains(labels_N: np.ndarray) -> np.ndarray:
    """Return (N,) 1 for animals and 0 for vehicles, given labels 0..9 in STL-10's order."""
    return (~np.isin(labels_N, VEHICLES)).astype(np.int64)


def error_against_accuracy(errors: ArrayLike, accuracies: ArrayLike) -> RankCorrelation:
    """Return Spearman's rank correlation of reconstruction error and clustering accuracy over checkpoints (C,).

    -1 means that accuracy rises whenever the error falls. If either is constant, rho is 0 and p is 1. C is at least 10.

    Raises:
        ValueError: fewer than ten checkpoints, lengths that differ, a value that is not finite.
    """
    error_C, accuracy_C = np.asarray(errors, np.float64), np.asarray(accuracies, np.float64)
    if error_C.shape != accuracy_C.shape or error_C.ndim != 1 or len(error_C) < MIN_CHECKPOINTS:
        raise ValueError(
            f"errors have shape {error_C.shape}, accuracies {accuracy_C.shape}; expected twice (checkpoints,),"
            f" {MIN_CHECKPOINTS} or more"
        )
    if not (np.isfinite(error_C).all() and np.isfinite(accuracy_C).all()):
        raise ValueError("an error or accuracy is not a finite number; leave that checkpoint out")
    if np.ptp(error_C) == 0 or np.ptp(accuracy_C) == 0:
        return RankCorrelation(0.0, 1.0, len(error_C))
    found = spearmanr(error_C, accuracy_C)
    return RankCorrelation(float(found.statistic), float(found.pvalue), len(error_C))
