"""Whitening and k-means next to plain definitions; empty clusters."""

import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from torch import Tensor

from pse_repro.objectives.shared.kmeans import Whitening, kmeans, means, nearest, split_empty
from pse_repro.seeding import seeded


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def blobs(count: int = 20) -> tuple[Tensor, Tensor]:
    """Return points around four far corners, and which corner each belongs to."""
    corners = torch.tensor([[0.0, 0], [9, 0], [0, 9], [9, 9]])
    corner = torch.arange(4).repeat_interleave(count)
    return corners[corner] + 0.3 * noise(4 * count, 2), corner


def test_whitening_is_scikit_learns_brought_to_unit_length() -> None:
    features = noise(200, 6) * torch.tensor([5.0, 3, 1, 0.5, 0.2, 0.1]) + 7
    found = Whitening.of(features, 3)(features)
    expected = torch.from_numpy(PCA(3, whiten=True, svd_solver="full").fit_transform(features.double().numpy()))
    expected = expected / expected.norm(dim=1, keepdim=True)
    by_variance = found.flip(1).double()  # the smallest came first
    signs = (by_variance * expected).sum(0).sign()  # a component's sign is free
    torch.testing.assert_close(by_variance * signs, expected, atol=1e-4, rtol=0)


def test_features_that_do_not_vary_give_zeros() -> None:
    features = torch.ones(10, 4)
    assert torch.equal(Whitening.of(features, 2)(features), torch.zeros(10, 2))


def test_nearest_is_the_smallest_distance() -> None:
    points, centroids = noise(30, 5), noise(7, 5) + 0.2
    expected = [min(range(7), key=lambda k: float((p - centroids[k]).double().norm())) for p in points]
    assert nearest(points, centroids).tolist() == expected


def test_means_are_each_clusters() -> None:
    points, labels = noise(20, 3), torch.arange(20) % 3
    found, counts = means(points, labels, 4)
    expected = torch.stack([points[labels == k].mean(0) for k in range(3)] + [torch.zeros(3)])
    torch.testing.assert_close(found, expected)
    assert counts.tolist() == [7, 7, 6, 0]


def test_clusters_that_lie_apart_are_found() -> None:
    points, corner = blobs()
    best = None
    for start in range(5):  # from random points, one start may end in a poor division
        with seeded("k-means", start):
            centroids = kmeans(points, 4)
        inertia = float((points - centroids[nearest(points, centroids)]).square().sum())
        best = min(best or (inertia, centroids), (inertia, centroids), key=lambda pair: pair[0])
    assert best is not None
    expected = KMeans(4, n_init=5, random_state=0).fit(points.double().numpy()).inertia_
    assert best[0] == pytest.approx(expected, rel=1e-4)
    labels = nearest(points, best[1])
    assert len({(int(a), int(b)) for a, b in zip(labels, corner, strict=True)}) == 4


def test_an_empty_cluster_gets_points_of_another_one() -> None:
    points, corner = blobs()
    labels = corner.clamp_max(2)  # the fourth is empty, the third holds two corners
    centroids, counts = means(points, labels, 4)
    with seeded("split"):
        split = split_empty(centroids, counts)
    again = nearest(points, split)
    assert again.bincount(minlength=4).min() > 0
    donors = {int(label) for label in labels[again == 3]}
    assert len(donors) == 1
    moved = [k for k in range(3) if not torch.equal(split[k], centroids[k])]
    assert moved == list(donors)
    torch.testing.assert_close((split[moved[0]] + split[3]) / 2, centroids[moved[0]])


def test_one_point_alone_is_not_split() -> None:
    centroids, counts = torch.tensor([[0.0], [5.0], [0.0]]), torch.tensor([1.0, 4.0, 0.0])
    for start in range(8):
        with seeded(start):
            split = split_empty(centroids, counts)
        assert float(split[0]) == 0
        assert float(split[2]) == pytest.approx(5, abs=0.01)


def test_nothing_is_drawn_where_no_cluster_is_empty() -> None:
    centroids, before = noise(3, 2), torch.get_rng_state()
    assert torch.equal(split_empty(centroids, torch.ones(3)), centroids)
    assert torch.equal(torch.get_rng_state(), before)


def test_clusters_that_begin_empty_are_filled() -> None:
    points = torch.cat([torch.zeros(90, 2), noise(30, 2)])  # most starts coincide, and all but one of them are empty
    with seeded("coinciding"):
        centroids = kmeans(points, 12)
    assert nearest(points, centroids).bincount(minlength=12).min() > 0


def test_more_clusters_than_different_points_leave_some_empty() -> None:
    points = torch.tensor([[0.0], [1.0]]).repeat(10, 1)
    with seeded("few"):
        centroids = kmeans(points, 5)
    assert torch.isfinite(centroids).all()
    assert set(nearest(points, centroids)[:2].tolist()) == set(nearest(points, centroids).tolist())
