"""Equal images are counted as a slow double loop counts them, wherever they were planted."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pse_repro.config.study import Subset
from pse_repro.data.duplicates import PAIRS, copies_sentence, count_duplicates
from pse_repro.data.stl10 import SPLITS, Dataset, Split, open_dataset
from tests.support.planted import COPIES, TEST, TRAIN, UNLABELED, write_planted

# Few values and few pixels, so that equal images happen.
images = hnp.arrays(
    np.uint8, st.tuples(st.integers(1, 6), st.just(1), st.just(2), st.just(2)), elements=st.integers(0, 1)
)


def counted(data: Dataset) -> dict[str, int]:
    return count_duplicates({name: getattr(data, name).digests for name in SPLITS})


@given(unlabeled=images, train=images, test=images)
def test_the_counts_are_those_of_a_double_loop(unlabeled: np.ndarray, train: np.ndarray, test: np.ndarray) -> None:
    splits = {"unlabeled": unlabeled, "train": train, "test": test}
    expected = {
        f"within_{name}": sum(any((each == one).all() for each in found[:place]) for place, one in enumerate(found))
        for name, found in splits.items()
    }
    for one, other in PAIRS:
        expected[f"{one}_in_{other}"] = sum(any((a == b).all() for b in splits[other]) for a in splits[one])
    assert count_duplicates({name: Split(found, None).digests for name, found in splits.items()}) == expected


@pytest.mark.parametrize(
    ("test", "train", "unlabeled", "expected"),
    [
        ((), (), (), {}),
        ((7,), (), (), {"unlabeled_in_test": 1, "test_in_unlabeled": 1}),
        ((), (2, 4), (), {"unlabeled_in_train": 2, "train_in_unlabeled": 2}),
        ((), (), (9,), {"within_unlabeled": 1}),
        (TEST, TRAIN, UNLABELED, COPIES | {"within_unlabeled": 2}),
    ],
    ids=["none", "test alone", "train alone", "repeated", "all of these"],
)
def test_planted_copies_are_found_in_files(
    test: Sequence[int], train: Sequence[int], unlabeled: Sequence[int], expected: dict[str, int], tmp_path: Path
) -> None:
    found = counted(open_dataset(write_planted(tmp_path, test, train, unlabeled)))
    assert {name: count for name, count in found.items() if count} == expected


def test_one_changed_pixel_is_no_copy(tmp_path: Path) -> None:
    write_planted(tmp_path)
    path = tmp_path / "stl10_binary" / "unlabeled_X.bin"
    content = bytearray(path.read_bytes())
    content[0] ^= 1  # of a copy of test image 0
    path.write_bytes(content)
    found = counted(open_dataset(tmp_path))
    assert (found["unlabeled_in_test"], found["test_in_unlabeled"]) == (2, 1)


def test_the_sentence_counts_copies_and_the_images_that_are_hit() -> None:
    none = dict.fromkeys(counted_names(), 0)
    images = {"unlabeled": 100_000, "train": 5_000, "test": 8_000}
    stl10 = none | {"unlabeled_in_test": 7_545, "test_in_unlabeled": 7_463}
    assert copies_sentence(stl10, images) == (
        "of the 100,000 unlabelled images 7,545 equal 7,463 of the 8,000 test images (93.3 %), "
        "none equals one of the 5,000 labelled images"
    )
    both = none | {"unlabeled_in_train": 1, "train_in_unlabeled": 1, "within_unlabeled": 2}
    assert copies_sentence(both, images) == (
        "of the 100,000 unlabelled images none equals one of the 8,000 test images, "
        "1 equals 1 of the 5,000 labelled images (0.0 %), 2 equal an earlier unlabelled one"
    )


def counted_names() -> list[str]:
    return [f"within_{name}" for name in SPLITS] + [f"{one}_in_{other}" for one, other in PAIRS]


def test_real_fragments_hold_no_copy_of_their_own_images(real_images: Path) -> None:
    """Eight of the unlabelled images equal test images of STL-10, none of which is among the ten of the fragment."""
    assert not any(counted(open_dataset(real_images / "stl10-fragments")).values())


def test_copies_are_those_of_the_whole_test_split_among_the_images_used(tmp_path: Path) -> None:
    data = open_dataset(write_planted(tmp_path))
    assert np.flatnonzero(data.copies_N).tolist() == [0, 1, 2]
    few = data.subset(Subset(unlabeled=5, test=2)).subset(Subset(test=1))  # copies of images that are not used
    assert few.unlabeled.stored_NCWH[0].tobytes() == data.test.stored_NCWH[TEST[0]].tobytes()
    assert np.flatnonzero(few.copies_N).tolist() == [0]
    assert few.duplicates["images"] == {"unlabeled": 5, "train": 50, "test": 40}
    assert few.duplicates["counts"]["unlabeled_in_test"] == 1


def test_copies_in_real_images_are_found_and_none_is_invented(real_images: Path, tmp_path: Path) -> None:
    data = open_dataset(real_images / "stl10-fragments")
    assert not data.copies_N.any()
    mixed = np.concatenate([data.unlabeled.stored_NCWH, data.test.stored_NCWH[[4, 4]]])
    assert np.flatnonzero(replace(data, unlabeled=Split(mixed, None)).copies_N).tolist() == [248, 249]
