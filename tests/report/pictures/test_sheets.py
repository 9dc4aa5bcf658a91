"""Sheets of images: positions of the images, pixel by pixel."""

import io

import numpy as np
from matplotlib.image import imread

from pse_repro.report.pictures.plots import Drawing
from pse_repro.report.pictures.sheets import MAX_IMAGES, models_sheet, residual_sheet

LEFT, BORDER, GAP = 128, 6, 4  # of a sheet, in image pixels
STEP = 1 / 63  # between two levels


def pixels(drawing: Drawing) -> np.ndarray:
    """Decode a picture to (H, W, 3) in [0, 1]."""
    return imread(io.BytesIO(drawing.content), format="png")[..., :3]


def tile(picture: np.ndarray, row: int, column: int, size: int) -> np.ndarray:
    top, left = BORDER + row * (size + GAP), LEFT + column * (size + GAP)
    return picture[top : top + size, left : left + size]


def test_the_nine_pictures_of_slide_10_stand_in_their_order() -> None:
    x, y = 0.8, 0.3
    m = p = np.sqrt(x - y)  # without smoothing, sigma 0
    expected = [[x, (x + m) / 2, m], [(x + p) / 2, y, (y + m) / 2], [p, (y + p) / 2, (p + m) / 2]]
    image, reconstruction = np.full((3, 16, 16), x), np.full((3, 16, 16), y)
    picture = pixels(residual_sheet(image, reconstruction, 0.0))
    for row in range(3):
        for column in range(3):
            np.testing.assert_allclose(tile(picture, row, column, 16), expected[row][column], atol=STEP)


def test_the_density_is_the_residual_smoothed_also_for_a_model_without_a_sigma() -> None:
    image = np.random.default_rng(0).random((3, 24, 24)).astype(np.float16)
    picture = pixels(residual_sheet(image, np.zeros_like(image), None))
    np.testing.assert_allclose(tile(picture, 0, 2, 24), np.sqrt(image.transpose(1, 2, 0)), atol=STEP)
    assert tile(picture, 2, 0, 24).std() < tile(picture, 0, 2, 24).std() / 2


def test_a_row_a_model_below_the_images_pixel_by_pixel() -> None:
    random = np.random.default_rng(0)
    images, first, second = (random.random((8, 3, 12, 12)) for _ in range(3))
    drawing = models_sheet(images, {"CNN-MSE": first, "CNN-PSE-3": second})
    assert drawing == models_sheet(images, {"CNN-MSE": first, "CNN-PSE-3": second})
    picture = pixels(drawing)
    assert picture.shape[:2] == (3 * 16 - GAP + 2 * BORDER, LEFT + MAX_IMAGES * 16 - GAP + BORDER)
    for row, shown in enumerate((images, first, second)):
        for column in range(MAX_IMAGES):
            expected = shown[column].transpose(1, 2, 0)
            np.testing.assert_allclose(tile(picture, row, column, 12), expected, atol=STEP)


def test_values_that_are_not_finite_are_drawn_black() -> None:
    images = np.full((1, 3, 12, 12), np.nan, np.float16)
    picture = pixels(models_sheet(images, {"CNN-MSE": images + 1}))
    assert (tile(picture, 0, 0, 12) == 0).all()
    assert np.isfinite(picture).all()
