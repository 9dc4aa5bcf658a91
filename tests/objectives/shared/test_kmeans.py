"""Clusters of whitened features: known clusters are found, independently of scale and threads, also with few images."""

import pytest
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from pse_repro.objectives.shared.kmeans import cluster


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def directions(count: int = 20) -> tuple[Tensor, Tensor]:
    """Return points in four directions from their mean, and the direction of each."""
    ends = torch.tensor([[9.0, 0], [-9, 0], [0, 9], [0, -9]])
    direction = torch.arange(4).repeat(count)
    return ends[direction] + 0.3 * noise(4 * count, 2), direction


def partition(labels: Tensor) -> set[frozenset[int]]:
    return {frozenset((labels == label).nonzero()[:, 0].tolist()) for label in labels.unique()}


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_clusters_that_lie_apart_are_found_whatever_their_scale(scale: float) -> None:
    points, direction = directions()
    points = points * torch.tensor([1.0, scale]) + 100  # whitening makes both axes equal
    found = [cluster(points, points[:8], 2, 4, seed) for seed in range(5)]  # a random start may end in a poor optimum
    labels, validation_labels = next(pair for pair in found if partition(pair[0]) == partition(direction))
    assert torch.equal(validation_labels, labels[:8])


def test_the_small_components_are_left_out() -> None:
    points, direction = directions()
    features = torch.cat([10 * points, noise(80, 6)], 1)
    assert any(partition(cluster(features, features, 2, 4, seed)[0]) == partition(direction) for seed in range(5))


def test_the_length_of_a_point_does_not_count() -> None:
    points, direction = directions()
    points *= torch.linspace(0.2, 5, 20).repeat_interleave(4)[:, None]  # the mean stays near 0
    assert any(partition(cluster(points, points, 2, 4, seed)[0]) == partition(direction) for seed in range(5))


def test_the_seed_alone_decides() -> None:
    points = noise(300, 8)
    first = cluster(points, points[:50], 4, 10, 2**32 - 1)
    with threadpool_limits(2):
        again = cluster(points, points[:50], 4, 10, 2**32 - 1)
    other = cluster(points, points[:50], 4, 10, 1)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert first[0].dtype == torch.int64
    assert [len(labels) for labels in first] == [300, 50]


def test_every_cluster_has_images() -> None:
    points = torch.cat([torch.zeros(90, 2), noise(30, 2)])  # most starts coincide
    assert cluster(points, points, 2, 12, 0)[0].bincount(minlength=12).min() > 0


def test_fewer_images_than_clusters_have_one_each() -> None:
    points = noise(3, 4)
    assert sorted(cluster(points, noise(2, 4), 2, 5, 0)[0].tolist()) == [0, 1, 2]


@pytest.mark.filterwarnings("ignore:Number of distinct clusters", "ignore:invalid value encountered")
def test_features_that_do_not_vary_are_one_cluster() -> None:
    labels, validation_labels = cluster(torch.ones(10, 4), torch.ones(3, 4), 2, 5, 0)
    assert len({*labels.tolist(), *validation_labels.tolist()}) == 1
