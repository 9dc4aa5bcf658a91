"""Nearest neighbours in batches, against one test image at a time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pse_repro.evaluation import knn
from pse_repro.evaluation.knn import nearest_neighbours


def slowly(
    train: np.ndarray, labels: np.ndarray, test: np.ndarray, neighbours: int, temperature: float
) -> list[list[float]]:
    """Compute the probabilities image by image, similarity by similarity."""

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        lengths = math.hypot(*a) * math.hypot(*b)
        return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else 0.0

    found = []
    for image in test.tolist():
        ranked = sorted(((cosine(image, row), place) for place, row in enumerate(train.tolist())), key=lambda s: -s[0])
        votes = [0.0] * 10
        for similarity, place in ranked[:neighbours]:
            votes[labels[place]] += math.exp(similarity / temperature)
        found.append([vote / sum(votes) for vote in votes])
    return found


@given(
    seed=st.integers(0, 2**32 - 1),
    train=st.integers(1, 40),
    test=st.integers(0, 7),
    neighbours=st.integers(1, 25),
    temperature=st.floats(0.05, 2),
)
@settings(max_examples=25)
def test_batches_give_what_single_images_give(
    seed: int, train: int, test: int, neighbours: int, temperature: float
) -> None:
    rng = np.random.default_rng(seed)
    train_ND, test_ND, labels = rng.normal(size=(train, 6)), rng.normal(size=(test, 6)), rng.integers(0, 10, train)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knn, "BATCH", 3)
        found = nearest_neighbours(train_ND, labels, test_ND, neighbours, temperature)
    assert found.shape == (test, 10)
    np.testing.assert_allclose(
        found, np.reshape(slowly(train_ND, labels, test_ND, neighbours, temperature), (-1, 10)), atol=1e-4
    )


def test_weights_fall_with_distance() -> None:
    """Two neighbours at 0 and 60 degrees: e^(1/T) against e^(0.5/T)."""
    train = np.array([[2.0, 0.0], [0.5, math.sqrt(0.75)], [-1.0, 0.0]])
    (found,) = nearest_neighbours(train, np.array([4, 9, 1]), np.array([[3.0, 0.0]]), neighbours=2, temperature=0.5)
    assert found[4] == pytest.approx(math.e / (1 + math.e), abs=1e-5)
    assert found[9] == pytest.approx(1 / (1 + math.e), abs=1e-5)
    assert found[1] == 0


def test_the_first_of_equally_similar_images_count() -> None:
    train, labels = np.ones((5, 3)), np.array([3, 3, 5, 6, 7])
    (found,) = nearest_neighbours(train, labels, np.ones((1, 3)), neighbours=3)
    assert found[[3, 5]] == pytest.approx([2 / 3, 1 / 3])


def test_features_of_zeros_are_as_near_as_what_lies_across() -> None:
    train = np.array([[0.0, 1.0], [0.0, 0.0]])
    (found,) = nearest_neighbours(train, np.array([0, 1]), np.array([[1.0, 0.0]]))
    assert found[:2] == pytest.approx([0.5, 0.5])


def test_a_small_temperature_does_not_overflow() -> None:
    (found,) = nearest_neighbours(np.eye(2), np.array([0, 1]), np.array([[1.0, 0.1]]), temperature=1e-4)
    assert found.tolist() == [1.0] + [0.0] * 9


@pytest.mark.parametrize(("neighbours", "temperature"), [(0, 0.07), (20, 0.0), (20, math.nan)])
def test_what_makes_no_weights_is_refused(neighbours: int, temperature: float) -> None:
    with pytest.raises(ValueError, match="expected 1 or more, and above 0"):
        nearest_neighbours(np.eye(2), np.array([0, 1]), np.eye(2), neighbours, temperature)
