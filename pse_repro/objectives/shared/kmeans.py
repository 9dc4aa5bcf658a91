"""K-means on whitened features, by scikit-learn.

Shapes: train_ND and validation_MD, N and M images of D features each.
"""

import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor

ITERATIONS = 20


def cluster(
    train_ND: Tensor, validation_MD: Tensor, components: int, clusters: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Return the cluster of each training image (N,) and of each validation image (M,), on the features' device.

    Principal components, whitened and normalised to unit length, and centroids are fitted to the training images; every
    image is assigned to its nearest centroid. `seed` is below 2**32. There are at most as many clusters as images.
    """
    assign = make_pipeline(
        PCA(components, whiten=True, svd_solver="covariance_eigh"),
        Normalizer(),
        KMeans(min(clusters, len(train_ND)), init="random", n_init=1, max_iter=ITERATIONS, random_state=seed),
    )
    train, validation = (features.double().cpu().numpy() for features in (train_ND, validation_MD))
    with threadpool_limits(1):  # sums over threads depend on their number
        labels, validation_labels = assign.fit_predict(train), assign.predict(validation)
    to_device = [torch.from_numpy(each).long().to(train_ND.device) for each in (labels, validation_labels)]
    return to_device[0], to_device[1]
