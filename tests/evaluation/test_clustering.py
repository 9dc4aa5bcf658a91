"""Clusters and classes: the matching against all matchings, the pipeline on features with known groups."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from threadpoolctl import threadpool_limits

from pse_repro.data.stl10 import CLASS_NAMES
from pse_repro.evaluation.clustering import (
    MAX_POINTS,
    VEHICLES,
    Clustering,
    cluster,
    cluster_embedding,
    embed,
    error_against_accuracy,
    matched_accuracy,
    two_domains,
)

ASSIGNED = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*(st.lists(st.integers(0, 3), min_size=n, max_size=n) for _ in range(2)))
)


def slowly(assigned: list[int], labels: list[int], size: int = 4) -> float:
    """Return the best accuracy over all assignments of `size` labels to `size` clusters."""
    return max(
        sum(naming[cluster] == label for cluster, label in zip(assigned, labels, strict=True)) / len(labels)
        for naming in permutations(range(size))
    )


def camps(count: int, distance: float = 12.0, groups: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return features (N, 30) in groups that many standard deviations apart in each feature, and the groups."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % groups
    return distance * rng.normal(size=(groups, 30))[labels] + rng.normal(size=(count, 30)), labels


# --- the matching


@given(pair=ASSIGNED)
def test_the_matching_is_the_best_of_all(pair: tuple[list[int], list[int]]) -> None:
    assigned, labels = pair
    assert matched_accuracy(np.array(assigned), np.array(labels)) == pytest.approx(slowly(assigned, labels))


@given(pair=ASSIGNED, names=st.permutations(range(4)), others=st.permutations(range(4)))
def test_names_of_clusters_and_of_labels_do_not_matter(
    pair: tuple[list[int], list[int]], names: list[int], others: list[int]
) -> None:
    assigned, labels = map(np.array, pair)
    renamed = matched_accuracy(np.array(names)[assigned], 100 + np.array(others)[labels])
    assert renamed == matched_accuracy(assigned, labels)


@given(labels=st.lists(st.booleans(), min_size=1), data=st.data())
def test_two_clusters_are_right_or_the_other_way_round(labels: list[bool], data: st.DataObject) -> None:
    assigned = data.draw(st.lists(st.booleans(), min_size=len(labels), max_size=len(labels)))
    accuracy = float(np.mean(np.equal(assigned, labels)))
    assert matched_accuracy(np.array(assigned), np.array(labels)) == pytest.approx(max(accuracy, 1 - accuracy))


def test_a_cluster_matches_one_class_at_most() -> None:
    assert matched_accuracy(np.zeros(10), np.arange(10)) == 0.1
    assert matched_accuracy(np.arange(10), np.zeros(10)) == 0.1
    assert matched_accuracy(np.arange(10)[::-1], np.arange(10)) == 1


# --- embedding and clusters


@pytest.fixture(scope="module")
def found() -> Clustering:
    features, labels = camps(120)
    return cluster(features, labels, seed=3, clusters=3)


def test_groups_that_lie_apart_are_found(found: Clustering) -> None:
    assert (found.accuracy, found.nmi, found.ari) == pytest.approx((1, 1, 1))
    assert found.embedding_N2.shape == (120, 2)
    assert set(found.assigned_N) == {0, 1, 2}


def test_it_is_the_same_again_with_other_threads_and_units(found: Clustering) -> None:
    features, labels = camps(120)
    with threadpool_limits(2):
        again = cluster(features, labels, seed=3, clusters=3)
    np.testing.assert_array_equal(again.embedding_N2, found.embedding_N2)
    np.testing.assert_array_equal(again.assigned_N, found.assigned_N)
    scaled = cluster(1024 * features, labels, seed=3, clusters=3)  # a power of two causes no rounding
    np.testing.assert_array_equal(scaled.embedding_N2, found.embedding_N2)


def test_one_embedding_can_be_held_against_several_labellings(found: Clustering) -> None:
    labels = np.arange(120) % 3
    again = cluster_embedding(found.embedding_N2, labels == 0, 3, 2)
    assert again.accuracy > 0.6
    assert again.embedding_N2 is found.embedding_N2
    assert again.nmi == pytest.approx(normalized_mutual_info_score(labels == 0, again.assigned_N))
    assert again.ari == pytest.approx(adjusted_rand_score(labels == 0, again.assigned_N))


def test_what_says_nothing_is_near_chance() -> None:
    labels = np.arange(100) % 2
    noise = cluster(np.random.default_rng(1).normal(size=(100, 20)), labels, seed=0, clusters=2)
    assert 0.5 <= noise.accuracy < 0.7
    assert abs(noise.ari) < 0.15


def test_features_that_are_all_alike_break_nothing() -> None:
    alike = cluster(np.full((40, 8), 0.1, np.float32), np.arange(40) % 4, seed=0, clusters=4)
    assert np.isfinite(alike.embedding_N2).all()
    assert 0.25 <= alike.accuracy <= 1


@pytest.mark.parametrize("count", [4, MAX_POINTS + 1])
def test_too_few_and_too_many_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"there are {count} images to cluster; expected 5 to 1000"):
        embed(np.zeros((count, 3)), 0)


def test_numbers_that_are_not_finite_are_refused() -> None:
    features = camps(20)[0]
    features[0, 0] = np.inf
    with pytest.raises(ValueError, match=r"infinity|NaN"), np.errstate(invalid="ignore"):
        embed(features, 0)


def test_vehicles_are_those_of_the_files_class_names() -> None:
    assert [CLASS_NAMES[place] for place in VEHICLES] == ["airplane", "car", "ship", "truck"]
    assert two_domains(np.arange(10)).tolist() == [0, 1, 0, 1, 1, 1, 1, 1, 0, 0]


# --- reconstruction error against accuracy


def test_a_gain_in_error_that_is_always_one_in_accuracy() -> None:
    found = error_against_accuracy(np.linspace(0.03, 0.01, 12), np.linspace(0.5, 0.9, 12) ** 2)
    assert found.rho == pytest.approx(-1)
    assert found.p_value < 1e-6
    assert found.checkpoints == 12


@given(values=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=10, max_size=30))
@settings(max_examples=50)
def test_rho_is_the_correlation_of_the_ranks(values: list[tuple[int, int]]) -> None:
    errors, accuracies = zip(*values, strict=True)
    found = error_against_accuracy(errors, accuracies)
    if len(set(errors)) == 1 or len(set(accuracies)) == 1:
        assert (found.rho, found.p_value) == (0, 1)
    else:
        assert found.rho == pytest.approx(np.corrcoef(rankdata(errors), rankdata(accuracies))[0, 1])


def test_every_other_neighbour_swapped_is_still_a_strong_correlation() -> None:
    swapped = np.arange(10).reshape(5, 2)[:, ::-1].ravel()
    assert error_against_accuracy(-np.arange(10), swapped).rho == pytest.approx(-0.94, abs=0.001)


@pytest.mark.parametrize(
    ("errors", "accuracies", "message"),
    [
        (range(9), range(9), "10 or more"),
        (range(10), range(11), "10 or more"),
        ([float("nan"), *range(9)], range(10), "leave that checkpoint out"),
    ],
)
def test_curves_that_tell_nothing_are_refused(errors: list[float], accuracies: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        error_against_accuracy(errors, accuracies)
