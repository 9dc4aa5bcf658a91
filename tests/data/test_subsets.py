"""Balanced subsets of the labels: balanced, nested, determined by their number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.config.study import Subset
from pse_repro.data.subsets import balanced_subset, images_of, images_per_class
from pse_repro.errors import NotFitError
from tests.support.tiny import dataset

STL10 = np.repeat(np.arange(1, 11, dtype=np.uint8), 500)[np.random.default_rng(0).permutation(5000)]


def counts(labels: np.ndarray, chosen: np.ndarray) -> list[int]:
    return [int((labels[chosen] == label).sum()) for label in range(1, 11)]


@pytest.mark.parametrize(("fraction", "per_class"), [(0.01, 5), (0.1, 50), (0.85, 425), (1, 500)])
def test_each_class_gives_as_many(fraction: float, per_class: int) -> None:
    chosen = balanced_subset(STL10, fraction, 1)
    assert counts(STL10, chosen) == [per_class] * 10
    assert (np.diff(chosen) > 0).all()  # ascending, none twice


@given(
    labels=st.lists(st.integers(1, 10), min_size=10, max_size=200).map(np.array),
    small=st.floats(0.001, 1),
    large=st.floats(0.001, 1),
    number=st.integers(1, 5),
)
def test_a_smaller_fraction_lies_within_a_larger_one(
    labels: np.ndarray, small: float, large: float, number: int
) -> None:
    small, large = sorted((small, large))
    inner, outer = balanced_subset(labels, small, number), balanced_subset(labels, large, number)
    assert set(inner) <= set(outer)
    if small < 1:
        there = counts(labels, np.arange(len(labels)))
        assert counts(labels, inner) == [min(images_per_class(len(labels), small), of_class) for of_class in there]


def test_numbers_tell_independent_subsets_apart_and_repeat() -> None:
    first, second = balanced_subset(STL10, 0.1, 1), balanced_subset(STL10, 0.1, 2)
    np.testing.assert_array_equal(first, balanced_subset(STL10, 0.1, 1))
    assert 20 < len(np.intersect1d(first, second)) < 90  # 50 are expected of independent draws


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.5])
def test_a_fraction_outside_0_to_1_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="expected more than 0 and at most 1"):
        balanced_subset(STL10, fraction, 1)


def test_held_out_images_are_labelled_ones_apart_from_the_rest_and_as_many_of_each_class() -> None:
    data = dataset(train=120)
    found = images_of(data, Subset(train=100, test=7, held_out=0.2))
    assert (len(found.unlabeled), len(found.train), len(found.test)) == (60, 80, 20)
    assert np.bincount(found.test.stored_labels)[1:].tolist() == [2] * 10
    kept, held_out = ({image.tobytes() for image in split.stored_NCWH} for split in (found.train, found.test))
    assert kept | held_out == {image.tobytes() for image in data.train.evenly(100).stored_NCWH}
    assert not kept & held_out
    assert len(images_of(data, Subset(train=100, test=7)).test) == 7


def test_too_few_images_to_hold_any_out_are_refused() -> None:
    with pytest.raises(NotFitError, match="10 labelled images are too few to hold any out; expected several of each"):
        images_of(dataset(train=10), Subset(held_out=0.2))
