"""Labelled images for training: their choice, how they are drawn, and the held-out images."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from pse_repro.data.stl10 import Dataset, Split
from pse_repro.data.subsets import balanced_subset
from pse_repro.errors import NotFitError
from pse_repro.objectives.shared.labelled import LabelledImages, classification
from tests.support.labelled import setup
from tests.support.tiny import dataset


def numbered(count: int) -> Dataset:
    """Return labelled images whose grey level is their index."""
    stored = np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, 3, 96, 96))
    return replace(dataset(8, 8, 8), train=Split(stored, np.arange(count) % 10 + 1))


def indices(images: Tensor) -> list[int]:
    return [round(value) for value in (255 * images[:, 0, 48, 48]).tolist()]


def test_no_held_out_image_is_ever_drawn_and_labels_are_the_images() -> None:
    images = LabelledImages(setup(numbered(100)))
    images.augment = None
    torch.manual_seed(0)
    drawn, labels = images.draw(2000)
    held_out, held_out_labels = images.held_out(torch.arange(45))
    assert indices(held_out)[:20] == indices(held_out)[20:40]  # wraps around
    assert len(set(indices(held_out))) == 20  # one or two of ten per class
    assert set(indices(drawn)) == set(range(100)) - set(indices(held_out))
    for found, numbers in ((labels, indices(drawn)), (held_out_labels, indices(held_out))):
        assert found.tolist() == [number % 10 for number in numbers]


def test_a_fraction_draws_from_the_first_balanced_subset_alone() -> None:
    data = numbered(100)
    images = LabelledImages(setup(data), 0.1)
    images.augment = None
    expected = balanced_subset(np.asarray(data.train.labels), 0.1, 1)
    assert len(images) == len(expected) == 10
    assert set(indices(images.draw(500)[0])) == set(expected.tolist())


def test_draws_are_augmented_and_repeat_with_the_seed() -> None:
    images = LabelledImages(setup(dataset()))
    draws = []
    for _ in range(2):
        torch.manual_seed(3)
        draws.append(images.draw(8)[0])
    torch.testing.assert_close(draws[0], draws[1], rtol=0, atol=0)
    images.augment = None
    torch.manual_seed(3)
    assert not torch.equal(images.draw(8)[0], draws[0])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"fraction of labels is 0\.9; expected more than 0, at most 0\.85"):
        LabelledImages(setup(dataset()), 0.9)
    with pytest.raises(NotFitError, match="10 labelled images are too few to hold any out"):
        LabelledImages(setup(numbered(10)))


def test_classification_against_a_loop() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(20, 10), torch.randint(10, (20,))
    losses, hits = [], 0
    for row, label in zip(logits.double(), labels.tolist(), strict=True):
        losses.append(float(-torch.log(row[label].exp() / row.exp().sum())))
        hits += int(row.argmax()) == label
    found = classification(logits, labels)
    assert float(found["loss"]) == pytest.approx(np.mean(losses), rel=1e-6)
    assert float(found["accuracy"]) == pytest.approx(5.0 * hits)
    assert classification(logits.bfloat16(), labels)["loss"].dtype == torch.float32
