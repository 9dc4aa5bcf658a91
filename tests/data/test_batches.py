"""Batches cover the right images in the right order, as upright floats in [0, 1]."""

import numpy as np
import pytest
import torch

from pse_repro.data.batches import Images, batches
from pse_repro.data.stl10 import Split

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def split() -> Split:
    stored_NCWH = np.random.default_rng(0).integers(0, 256, (11, 3, 96, 96), dtype=np.uint8)
    stored_NCWH[0, :, 0, 0], stored_NCWH[0, :, 0, 1] = 255, 0
    return Split(stored_NCWH, None)


def positions(*arguments: object, **keywords: object) -> list[list[int]]:
    """Return the batches as lists."""
    return [batch.tolist() for batch in batches(*arguments, **keywords)]  # type: ignore[arg-type]


def test_without_a_generator_they_are_in_order_and_the_last_is_what_is_left() -> None:
    assert positions(7, 3) == [[0, 1, 2], [3, 4, 5], [6]]
    assert positions(6, 3) == [[0, 1, 2], [3, 4, 5]]
    assert positions(2, 5) == [[0, 1]]


def test_the_partial_batch_is_dropped_on_demand() -> None:
    assert positions(7, 3, drop_last=True) == [[0, 1, 2], [3, 4, 5]]
    assert positions(6, 3, drop_last=True) == [[0, 1, 2], [3, 4, 5]]
    assert positions(2, 5, drop_last=True) == []


def test_the_studys_splits_have_the_studys_numbers_of_batches() -> None:
    assert len(positions(15_000, 128, drop_last=True)) == 117
    assert [len(batch) for batch in batches(4000, 128)] == [128] * 31 + [32]
    assert [len(batch) for batch in batches(8000, 128)] == [128] * 62 + [64]
    assert [len(batch) for batch in batches(1000, 128)] == [128] * 7 + [104]


@pytest.mark.parametrize("drop_last", [False, True])
def test_shuffled_batches_hold_each_position_once(drop_last: bool) -> None:
    drawn = positions(100, 8, torch.Generator().manual_seed(0), drop_last=drop_last)
    flat = [position for batch in drawn for position in batch]
    assert len(flat) == len(set(flat)) == (96 if drop_last else 100)
    assert set(flat) <= set(range(100))
    assert flat != sorted(flat)


def test_the_generator_decides_the_order_and_moves_on() -> None:
    first = positions(50, 8, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    assert positions(50, 8, generator) == first
    assert positions(50, 8, generator) != first  # the next epoch
    assert positions(50, 8, torch.Generator().manual_seed(1)) != first


def test_images_come_as_floats_in_rows_and_columns(split: Split) -> None:
    images = Images(split, CPU)
    batch = images[torch.tensor([3, 0])]
    assert len(images) == 11
    assert batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)
    expected = split.stored_NCWH[[3, 0]].transpose(0, 1, 3, 2).astype(np.float32) / 255
    np.testing.assert_array_equal(batch.numpy(), expected)
    # Second in the file is the first column's second row.
    assert batch[1, :, 0, 0].tolist() == [1, 1, 1]
    assert batch[1, :, 1, 0].tolist() == [0, 0, 0]


def test_indices_choose_images_and_their_order(split: Split) -> None:
    chosen = np.array([7, 2, 9])
    images = Images(split, CPU, chosen)
    assert len(images) == 3
    for position, index in enumerate(chosen):
        one = images[torch.tensor([position])]
        assert torch.equal(one, Images(split, CPU)[torch.tensor([index])])
    with pytest.raises(IndexError):
        images[torch.tensor([3])]
