"""Scores against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.evaluation.scores import ensemble, scores


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    raw = generator.random((count, 10)) + 1e-3
    return raw / raw.sum(1, keepdims=True), generator.integers(0, 10, count)


@given(st.integers(1, 60), st.integers(0, 1000))
def test_scores_equal_a_plain_loop(count: int, seed: int) -> None:
    probabilities, labels = drawn(count, seed)
    found = scores(probabilities, labels)
    for k in (1, 2, 4):
        right = sum(
            label in sorted(range(10), key=lambda c: -row[c])[:k]
            for row, label in zip(probabilities, labels, strict=True)
        )
        assert found[f"top{k}"] == pytest.approx(100 * right / count)
    assert found["loss"] == pytest.approx(
        np.mean([-np.log(row[label]) for row, label in zip(probabilities, labels, strict=True)])
    )


def test_batch_means_count_a_smaller_last_batch_like_the_others() -> None:
    labels = np.zeros(5, np.int64)
    probabilities = np.tile(np.eye(10)[1] * 0.9 + 0.01, (5, 1))
    probabilities[4] = np.eye(10)[0] * 0.9 + 0.01  # only the fifth image is right
    assert scores(probabilities, labels)["top1"] == pytest.approx(20)
    assert scores(probabilities, labels, np.arange(5), batch_size=4)["top1"] == pytest.approx(50)
    assert scores(probabilities, labels, np.array([4, 0, 1, 2, 3]), batch_size=4)["top1"] == pytest.approx(12.5)


def test_the_study_s_test_set_is_63_batches_the_last_of_64() -> None:
    probabilities, labels = drawn(8000, 0)
    right = probabilities.argmax(1) == labels
    means = [right[start : start + 128].mean() for start in range(0, 8000, 128)]
    assert (len(means), len(right[62 * 128 :])) == (63, 64)
    assert scores(probabilities, labels, np.arange(8000), 128)["top1"] == pytest.approx(100 * np.mean(means))


def test_ensemble_is_the_mean_of_the_softmax_outputs() -> None:
    first, second = np.eye(10)[[0, 1]] * 0.8 + 0.02, np.eye(10)[[2, 1]] * 0.6 + 0.04
    np.testing.assert_allclose(ensemble([first, second]), (first + second) / 2)
    assert ensemble([first, second]).argmax(1).tolist() == [0, 1]


def test_a_probability_of_zero_gives_a_finite_loss() -> None:
    assert np.isfinite(scores(np.eye(10)[[3]], np.array([4]))["loss"])
