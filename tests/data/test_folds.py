"""Switch 11: five shuffled folds of the images sorted by label as text, then by index as text."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import KFold

from pse_repro.data import folds
from pse_repro.data.folds import as_text

LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(1, 11), 30)).astype(np.uint8)


def test_the_text_order_is_that_of_sorted_file_names(tmp_path: Path) -> None:
    for index, label in enumerate(LABELS):
        folder = tmp_path / str(label)
        folder.mkdir(exist_ok=True)
        (folder / f"{index}.png").touch()
    names = [path.stem for folder in sorted(tmp_path.iterdir()) for path in sorted(folder.iterdir())]
    # By the name without its ending: "10.png" < "100.png" holds either way.
    assert as_text(LABELS).tolist() == [int(name) for name in names]


def test_label_ten_comes_second_and_index_ten_before_nine() -> None:
    labels = np.array([10, 2, 1, 1, 9, 2, 1, 10, 1, 1, 1, 1, 1])
    assert as_text(labels).tolist() == [10, 11, 12, 2, 3, 6, 8, 9, 0, 7, 1, 5, 4]


@pytest.mark.parametrize("order", ["as-text", "as-stored"])
@pytest.mark.parametrize("count", [2, 5, 7])
def test_validation_parts_partition_the_images_and_training_parts_are_the_rest(count: int, order: str) -> None:
    parts = folds(LABELS, count, order)
    assert len(parts) == count
    validation = np.concatenate([part for _, part in parts])
    assert sorted(validation) == list(range(len(LABELS)))
    for train, part in parts:
        assert sorted([*train, *part]) == list(range(len(LABELS)))
        assert len(part) in (len(LABELS) // count, len(LABELS) // count + 1)


def test_positions_are_scikit_learns_in_the_order_asked_for() -> None:
    splits = list(KFold(5, shuffle=True, random_state=12345).split(np.zeros(len(LABELS))))
    for order, ordered in (("as-text", as_text(LABELS)), ("as-stored", np.arange(len(LABELS)))):
        for (train, validation), (first, second) in zip(folds(LABELS, order=order), splits, strict=True):
            np.testing.assert_array_equal(train, ordered[first])
            np.testing.assert_array_equal(validation, ordered[second])


def test_the_same_labels_give_the_same_folds_whatever_the_global_state() -> None:
    np.random.seed(1)
    first = folds(LABELS)
    np.random.seed(2)
    for one, other in zip(first, folds(LABELS.tolist()), strict=True):  # type: ignore[arg-type]
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize(
    ("labels", "found"), [([0, 1, 2], r"0\.\.2"), ([1, 11, 2], r"1\.\.11"), ([], "none"), ([[1, 2]], r"\(1, 2\)")]
)
def test_labels_that_are_not_one_to_ten_are_refused(labels: list[int], found: str) -> None:
    with pytest.raises(ValueError, match=rf"labels are .*{found}.*; expected one axis of 1\.\.10"):
        folds(np.array(labels))


@pytest.mark.parametrize("count", [0, 1, 4])
def test_fewer_than_two_folds_or_more_than_images_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"count is {count} for 3 images; expected 2 or more folds"):
        folds(np.array([1, 2, 3]), count)


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(ValueError, match="order is 'as-read'; expected as-text or as-stored"):
        folds(LABELS, order="as-read")


def test_the_official_labels_give_the_released_folds(real_images: Path) -> None:
    labels = np.fromfile(real_images / "stl10-fragments" / "stl10_binary" / "train_y_official.bin", np.uint8)
    assert len(labels) == 5000
    assert as_text(labels)[:5].tolist() == [10, 1006, 1012, 103, 1030]
    first = [int(validation[0]) for _, validation in folds(labels)]
    assert first == [1012, 1006, 10, 104, 1030]  # as in the released logs
    assert labels[first].tolist() == [1, 1, 1, 1, 1]
