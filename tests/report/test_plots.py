"""Figures: what is drawn where, and that nothing comes out blank."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from pse_repro.report.plots import (
    BACKGROUND,
    Curve,
    Detail,
    Drawing,
    Score,
    curves_figure,
    reconstruction_sheet,
    residual_sheet,
    scores_figure,
)

ALL = Detail(images=4, zoom=1, levels=255)
LEFT, BORDER, GAP = 92, 6, 4  # of a sheet, in image pixels


def pixels(drawing: Drawing) -> np.ndarray:
    """(H, W, 3) in [0, 1]."""
    return imread(io.BytesIO(drawing.png), format="png")[..., :3]


def tile(picture: np.ndarray, row: int, column: int, size: int) -> np.ndarray:
    """One image of a sheet of zoom 1."""
    top, left = BORDER + row * (size + GAP), LEFT + column * (size + GAP)
    return picture[top : top + size, left : left + size]


def test_the_nine_pictures_of_slide_10_stand_in_their_order() -> None:
    x, y = 0.8, 0.3
    m = p = np.sqrt(x - y)  # without smoothing, sigma 0
    expected = [[x, (x + m) / 2, m], [(x + p) / 2, y, (y + m) / 2], [p, (y + p) / 2, (p + m) / 2]]
    image, reconstruction = np.full((3, 16, 16), x), np.full((3, 16, 16), y)
    picture = pixels(residual_sheet(image, reconstruction, 0.0, ALL))
    for row in range(3):
        for column in range(3):
            np.testing.assert_allclose(tile(picture, row, column, 16), expected[row][column], atol=1 / 255)


def test_a_sheet_shows_images_pixel_by_pixel_and_their_density_smoothed() -> None:
    images = np.random.default_rng(0).random((2, 3, 20, 20)).astype(np.float16)
    reconstructions = np.zeros_like(images)
    picture = pixels(reconstruction_sheet(images, reconstructions, 2.0, ALL))
    for column in range(2):
        image = images[column].transpose(1, 2, 0).astype(float)
        np.testing.assert_allclose(tile(picture, 0, column, 20), image, atol=1 / 255)
        np.testing.assert_allclose(tile(picture, 2, column, 20), np.sqrt(image), atol=1 / 255)
        assert tile(picture, 3, column, 20).std() < tile(picture, 2, column, 20).std() / 2


def test_a_sheet_takes_images_without_a_sigma_and_values_that_are_not_finite() -> None:
    images = np.full((5, 3, 12, 12), np.nan, np.float16)
    picture = pixels(reconstruction_sheet(images, images, None, Detail(2, 2, 63)))
    assert picture.shape == (2 * (4 * 16 - GAP + 2 * BORDER), 2 * (LEFT + 2 * 16 - GAP + BORDER), 3)
    assert np.isfinite(picture).all()


@pytest.mark.parametrize("epochs", [1, 2, 200])
@pytest.mark.parametrize("log", [True, False])
def test_curves_of_any_length_are_seen_in_their_colours(epochs: int, log: bool) -> None:
    curves = [Curve(f"model {n}", (n + 1) * np.exp(-np.arange(epochs) / 40), epochs - 1) for n in range(9)]
    picture = pixels(curves_figure("title", {"one": curves, "two": curves[:1]}, log))
    orange = np.array([0xD5, 0x5E, 0x00]) / 255  # the second model's
    assert (np.abs(picture - orange).max(axis=2) < 0.02).sum() > 20
    background = np.array([int(BACKGROUND[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    np.testing.assert_allclose(picture[[0, 0, -1, -1], [0, -1, 0, -1]], np.tile(background, (4, 1)), atol=1 / 255)


def test_the_same_data_give_the_same_bytes() -> None:
    curves = {"one": [Curve("model", np.array([2.0, 1.0]), 1)]}
    assert curves_figure("title", curves, True) == curves_figure("title", curves, True)


def test_less_is_drawn_of_each_cell_where_there_are_many() -> None:
    details = [Detail.of(cells) for cells in (1, 7, 14)]
    assert [detail.images for detail in details] == [4, 2, 1]
    assert [detail.zoom for detail in details] == [2, 2, 1]


def bar_heights(picture: np.ndarray) -> list[int]:
    """Pixels of bar colour in each bar, from left to right: columns that hold bars, in runs."""
    coloured = (np.abs(picture - picture.mean(2, keepdims=True)).max(2) > 0.1) & (picture[..., 2] > picture[..., 0])
    columns = coloured.sum(0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], columns > 5, [0]]).astype(int)))
    return [int(np.median(columns[start:stop])) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def test_bars_are_as_high_as_the_scores() -> None:
    scores = [Score("CNN-PSE-3", [20.0], [], float("nan")), Score("CNN-PSE-4", [40.0], [], float("nan"))]
    low, high = bar_heights(pixels(scores_figure({"Frozen": scores})))
    assert high / low == pytest.approx(2, rel=0.05)


def test_bars_are_the_mean_over_seeds() -> None:
    scores = [Score("CNN-PSE-3", [20.0, 40.0], [], float("nan")), Score("CNN-PSE-4", [30.0], [25.0, 35.0], 50.0)]
    first, second = bar_heights(pixels(scores_figure({"Frozen": scores})))
    assert first / second == pytest.approx(1, rel=0.05)
