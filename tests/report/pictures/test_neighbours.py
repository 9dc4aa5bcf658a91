"""Nearest neighbours: found as by hand, and marked right or wrong by more than colour."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.report.pictures.neighbours import QUERIES, Sample, agreement, nearest, neighbours_figure, queries
from tests.support.panels import assert_not_blank, drawn

RANDOM = np.random.default_rng(0)
LABELS = np.repeat(np.arange(1, 11), 3)
SAMPLE = Sample(RANDOM.integers(0, 256, (30, 3, 48, 48), dtype=np.uint8), LABELS, [f"class {n}" for n in range(1, 11)])


@given(st.integers(2, 12), st.integers(1, 15), st.integers(0, 99))
def test_neighbours_are_the_nearest_others_one_by_one(images: int, count: int, seed: int) -> None:
    latents = np.random.default_rng(seed).normal(size=(images, 4)).astype(np.float16)
    found = nearest(latents, count)
    assert found.shape == (images, min(count, images - 1))
    for image in range(images):
        distances = {j: np.linalg.norm(latents[image].astype(float) - latents[j]) for j in range(images) if j != image}
        expected = sorted(distances.values())[: found.shape[1]]
        assert [distances[j] for j in found[image]] == pytest.approx(expected)


def test_an_image_without_finite_latents_is_nobodys_nearest() -> None:
    latents = RANDOM.normal(size=(10, 4))
    latents[3] = np.nan
    assert 3 not in nearest(latents, 5)[np.arange(10) != 3]


def test_agreement_is_the_share_of_neighbours_of_the_same_class() -> None:
    assert agreement(np.array([[1, 2], [0, 2], [0, 1]]), np.array([1, 1, 2])) == pytest.approx(100 * 2 / 6)
    assert np.isnan(agreement(np.empty((1, 0), int), np.array([1])))


def test_queries_are_of_different_classes() -> None:
    assert len(set(LABELS[queries(LABELS)])) == QUERIES
    np.testing.assert_array_equal(queries(np.array([4, 4, 2])), [2, 0])


@pytest.mark.parametrize("models", [1, 4])
def test_frames_are_solid_with_a_tick_for_the_same_class_and_dashed_with_a_cross_for_another(models: int) -> None:
    found = nearest(np.where(np.arange(30)[:, None] % 7 == 0, np.nan, RANDOM.normal(size=(30, 4))), 5)
    drawing, figure = drawn(lambda: neighbours_figure({f"CNN-PSE-{n}": found for n in range(models)}, SAMPLE))
    assert drawing.kind == "png"
    assert_not_blank(figure)
    rows = queries(LABELS)
    right = (LABELS[found[rows]] == LABELS[rows][:, None]).ravel()
    for axes in figure.axes:
        assert [patch.get_linestyle() == "-" for patch in axes.patches] == right.tolist()
        marks = [text.get_text() for text in axes.texts if text.get_text() in "\u2713\u2717"]
        assert marks == ["\u2713" if same else "\u2717" for same in right]
