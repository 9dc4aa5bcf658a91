"""The contact sheet shows the images unscaled, upright, by class, and complete."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from pse_repro.data.inspect.sheet import BACKGROUND, BORDER, GAP, contact_sheet
from pse_repro.data.stl10 import Split, open_dataset
from tests.support import tiny

STEP = 96 + GAP


def numbered(labels: list[int] | None, count: int = 0) -> Split:
    """Return images of noise; the first value of image i is i."""
    count = len(labels) if labels else count
    stored = np.random.default_rng(0).integers(0, 256, (count, 3, 96, 96), dtype=np.uint8)
    stored[:, 0, 0, 0] = np.arange(count)
    return Split(stored, None if labels is None else np.array(labels, np.uint8))


def read(path: Path) -> np.ndarray:
    """Return the sheet as (H, W, 3), 0..255."""
    values = imread(io.BytesIO(path.read_bytes()), format="png")
    return np.asarray(np.round(values[..., :3] * 255), np.uint8)


def places(sheet: np.ndarray, split: Split, rows: int, columns: int) -> list[list[int | None]]:
    """Return the image at each position, None for none; the grid ends at the sheet's lower right border."""
    top, left = (size - BORDER + GAP - STEP * n for size, n in zip(sheet.shape, (rows, columns), strict=False))
    found: list[list[int | None]] = []
    for y in range(top, top + STEP * rows, STEP):
        found.append([])
        for x in range(left, left + STEP * columns, STEP):
            tile = sheet[y : y + 96, x : x + 96]
            index = int(tile[0, 0, 0])
            if (tile == BACKGROUND).all():
                found[-1].append(None)
            else:
                np.testing.assert_array_equal(tile, split.stored_NCWH[index].transpose(2, 1, 0))
                found[-1].append(index)
    return found


def inked(sheet: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns that are not only background."""
    rows, columns = np.nonzero((sheet != BACKGROUND).any(2))
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)


def test_classes_stand_in_rows_in_their_order(tmp_path: Path) -> None:
    split = numbered([3, 1, 2, 1, 2, 3, 3, 1, 2, 1])
    sheet = read(contact_sheet(split, tmp_path / "sheet.png", count=9))
    assert places(sheet, split, 3, 3) == [[1, 7, 9], [2, 4, 8], [0, 5, 6]]
    assert sheet.shape[0] == 3 * STEP - GAP + 2 * BORDER


@pytest.mark.parametrize(("count", "each"), [(1, 1), (2, 1), (3, 1), (6, 2), (8, 2), (99, 5)])
def test_a_count_is_shared_by_the_classes_one_each_at_least(count: int, each: int, tmp_path: Path) -> None:
    split = numbered([1, 4, 10] * 5)
    sheet = read(contact_sheet(split, tmp_path / "sheet.png", count=count))
    rows = places(sheet, split, 3, each)
    assert [[i is not None and i % 3 for i in row] for row in rows] == [[place] * each for place in range(3)]


def test_a_small_class_leaves_room(tmp_path: Path) -> None:
    split = numbered([1, 1, 1, 2])
    sheet = read(contact_sheet(split, tmp_path / "sheet.png", count=6))
    assert places(sheet, split, 2, 3) == [[0, 1, 2], [3, None, None]]


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (4, 2, 2), (5, 2, 3), (10, 3, 4), (64, 5, 5)])
def test_unlabelled_images_stand_in_a_square_evenly_spaced(count: int, rows: int, columns: int, tmp_path: Path) -> None:
    split = numbered(None, 25)
    sheet = read(contact_sheet(split, tmp_path / "sheet.png", count=count))
    assert sheet.shape[:2] == (rows * STEP - GAP + 2 * BORDER, columns * STEP - GAP + 2 * BORDER)
    found = [i for row in places(sheet, split, rows, columns) for i in row]
    shown = min(count, 25)
    assert found[shown:] == [None] * (rows * columns - shown)
    assert found[:shown] == np.linspace(0, 24, shown).round().astype(int).tolist()


def test_a_seed_draws_and_always_the_same(tmp_path: Path) -> None:
    split = numbered(None, 100)
    drawn = []
    for seed in (None, 0, 0, 1):
        path = contact_sheet(split, tmp_path / "sheet.png", count=9, seed=seed)
        drawn.append((path.read_bytes(), [i for row in places(read(path), split, 3, 3) for i in row]))
    assert drawn[1] == drawn[2]
    assert len({tuple(order) for _, order in drawn}) == 3
    for _, order in drawn:
        assert sorted(set(order), key=order.index) == order  # none twice
        assert order == sorted(order, key=lambda i: -1 if i is None else i)


@pytest.mark.parametrize(
    "name", ["a", "english_springer", "a name that is far longer than any image is wide", "$x^$", "$"]
)
@pytest.mark.parametrize("title", ["", "some folder with a very long name: train, 5,000 images, $1 each"])
def test_no_letter_is_cut_off(name: str, title: str, tmp_path: Path) -> None:
    split = numbered([1, 2])
    sheet = read(contact_sheet(split, tmp_path / "sheet.png", count=2, names=[name] * 10, title=title))
    rows, columns = inked(sheet)
    assert BORDER - 2 <= columns.start <= BORDER + 3
    assert columns.stop <= sheet.shape[1] - BORDER + 2
    assert rows.start >= 6
    assert rows.stop == sheet.shape[0] - BORDER
    assert title or places(sheet, split, 2, 1) == [[0], [1]]
    names = sheet[-BORDER - 2 * STEP + GAP : -BORDER, : columns.start + 3]
    for row in (0, 1):  # a name beside each row, at its middle
        ink = np.nonzero((names[row * STEP : row * STEP + 96] != BACKGROUND).any((1, 2)))[0]
        assert abs((ink.min() + ink.max()) / 2 - 48) <= 8


def test_names_come_from_beside_the_file(tmp_path: Path) -> None:
    folder = tiny.write_images(tmp_path) / "stl10_binary"
    own = [f"kind {letter}" for letter in "abcdefghij"]
    (folder / "class_names.txt").write_text("\n".join(own))
    train = open_dataset(folder).train
    sheets = [contact_sheet(train, tmp_path / "a.png", names=names).read_bytes() for names in (None, own, ["x"] * 10)]
    assert sheets[0] == sheets[1] != sheets[2]


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_one_is_refused(count: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"count is {count}; expected 1 or more"):
        contact_sheet(numbered(None, 4), tmp_path / "sheet.png", count=count)


def test_folders_are_made_and_a_failure_leaves_nothing(tmp_path: Path) -> None:
    assert contact_sheet(numbered(None, 4), tmp_path / "new" / "sheet.png").is_file()
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(OSError, match=r"taken\.png"):
        contact_sheet(numbered(None, 4), tmp_path / "taken.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "taken.png"]


def test_real_images_are_shown_as_they_are(real_images: Path, tmp_path: Path) -> None:
    train = open_dataset(real_images / "stl10-fragments").train
    sheet = read(contact_sheet(train, tmp_path / "sheet.png", count=20))
    grid = sheet[BORDER:-BORDER, -BORDER - 2 * STEP + GAP : -BORDER]
    assert train.labels is not None
    for row, label in enumerate(range(1, 11)):
        for column, index in enumerate(np.flatnonzero(train.labels == label)[[0, -1]]):
            tile = grid[row * STEP : row * STEP + 96, column * STEP : column * STEP + 96]
            np.testing.assert_array_equal(tile, train.stored_NCWH[index].transpose(2, 1, 0))
    assert math.prod(sheet.shape[:2]) > 10 * 2 * 96 * 96
