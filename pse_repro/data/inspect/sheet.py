"""Contact sheets: some of a split's images, upright and at their original size, with a row per class.

Shapes: stored_NCWH as in the files (columns before rows); the sheet and its images (H, W, 3).
"""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pse_repro.data.classes import class_names
from pse_repro.data.stl10 import Split
from pse_repro.errors import NotFitError, UsageError
from pse_repro.files import check_target, write_bytes

GAP, BORDER = 2, 12  # pixels between two images, and around the sheet
TEXT = 15  # font size in pixels
BACKGROUND = 240  # light grey, so that the edges of white images are visible
_DPI = 72  # makes a point a pixel

Row = tuple[str, np.ndarray]  # the name beside it, and the images' indices in the split


def check_sheet(path: Path) -> None:
    """Check that a contact sheet can be written, before any image is read.

    Raises:
        UsageError: the name is not that of a PNG file.
        NotFitError: the folder cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"the contact sheet's file is {path}; expected a name that ends in .png: use --sheet")
    try:
        check_target(path)
    except OSError as error:
        raise NotFitError(f"{path} cannot be written ({error.strerror}); choose another file with --sheet") from error


def contact_sheet(
    split: Split,
    path: Path,
    *,
    count: int = 64,
    names: Sequence[str] | None = None,
    seed: int | None = None,
    title: str = "",
) -> Path:
    """Write `count` images of `split` as a PNG to `path`, by atomic rename, and return `path`.

    Labelled images are grouped by class, equally many per class and at least one; others form a square. They are evenly
    spaced over the class or the file, or drawn at random with `seed`. `names` of the labels 1..10 default to those in
    class_names.txt beside the split's file.

    Raises:
        ValueError: count is below 1.
        OSError: the file cannot be written.
    """
    if count < 1:
        raise ValueError(f"count is {count}; expected 1 or more")
    if split.labels is None:
        rows = _square(split, count, seed)
    else:
        rows = _rows_by_class(split, count, names or class_names(split), seed)
    write_bytes(path, _png(_grid(split, rows), [name for name, _ in rows], title))
    return path


def _rows_by_class(split: Split, count: int, names: Sequence[str], seed: int | None) -> list[Row]:
    labels = np.asarray(split.labels)
    present = np.unique(labels).tolist()
    each = max(1, count // len(present))
    places = {label: np.flatnonzero(labels == label) for label in present}
    return [(names[label - 1], _chosen(places[label], each, seed)) for label in present]


def _square(split: Split, count: int, seed: int | None) -> list[Row]:
    chosen = _chosen(np.arange(len(split)), count, seed)
    columns = math.ceil(math.sqrt(len(chosen)))
    return [("", chosen[start : start + columns]) for start in range(0, len(chosen), columns)]


def _chosen(places: np.ndarray, count: int, seed: int | None) -> np.ndarray:
    """Return at most `count` of `places`, in their order: evenly spaced, or drawn at random with `seed`."""
    count = min(count, len(places))
    if seed is None:
        return places[np.linspace(0, len(places) - 1, count).round().astype(np.int64)]
    return np.sort(np.random.default_rng(seed).choice(places, count, replace=False))


def _grid(split: Split, rows: list[Row]) -> np.ndarray:
    """Return the images of all rows on the background, (H, W, 3) uint8."""
    width, height = split.stored_NCWH.shape[2:]
    columns = max(len(places) for _, places in rows)
    step_y, step_x = height + GAP, width + GAP
    grid = np.full((step_y * len(rows) - GAP, step_x * columns - GAP, 3), BACKGROUND, np.uint8)
    for i, (_, places) in enumerate(rows):
        for j, image_CWH in enumerate(split.stored_NCWH[places]):
            grid[i * step_y : i * step_y + height, j * step_x : j * step_x + width] = image_CWH.transpose(2, 1, 0)
    return grid


def _png(grid: np.ndarray, names: list[str], title: str) -> bytes:
    """Return a PNG of the unscaled grid, with a name to the left of each row and the title above."""
    names = [name.replace("_", " ").replace("$", r"\$") for name in names]  # Matplotlib takes $ for formulas
    title = title.replace("$", r"\$")
    height, width = grid.shape[:2]
    beside = max(map(_text_width, names))
    left, above = BORDER + (beside + BORDER if beside else 0), BORDER + (2 * TEXT if title else 0)
    sheet_width = left + max(width, _text_width(title)) + BORDER
    sheet_height = above + height + BORDER
    figure = Figure((sheet_width / _DPI, sheet_height / _DPI), dpi=_DPI, facecolor=str(BACKGROUND / 255))
    figure.figimage(grid, left, BORDER, origin="upper")
    step = (height + GAP) / len(names)
    for row, name in enumerate(names):
        middle = (sheet_height - above - (row + 0.5) * step + GAP / 2) / sheet_height
        figure.text((left - BORDER) / sheet_width, middle, name, fontsize=TEXT, ha="right", va="center")
    figure.text(left / sheet_width, 1 - (BORDER / 2 + TEXT) / sheet_height, title, fontsize=TEXT, va="center")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})  # equal images give equal bytes
    return buffer.getvalue()


def _text_width(text: str) -> int:
    """Return the width in pixels as drawn; 0 for an empty text."""
    return math.ceil(Figure(dpi=_DPI).text(0, 0, text, fontsize=TEXT).get_window_extent().width)
