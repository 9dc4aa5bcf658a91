"""Sheets of images: reconstructions by all models side by side, and the residual maps of slide 10.

Shapes: images_N3HW and reconstructions_N3HW in [0, 1], a single image 3HW; H rows, W columns.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter

import numpy as np
import torch
from matplotlib.figure import Figure

from pse_repro.loss import PSELoss
from pse_repro.report.pictures.picture import Group, Picture, Section, conditions, groups_with
from pse_repro.report.pictures.plots import BACKGROUND, Drawing, as_png
from pse_repro.study import store
from pse_repro.study.cells import label
from pse_repro.study.record import Run

MAX_IMAGES = 6  # per row
MAX_RESIDUALS = 2  # models with residual maps, per protocol
_DPI = 96  # image pixels per inch of a sheet: one CSS pixel each
_LEVELS = 63  # levels of a channel above 0: half the file size of 255 levels, with hardly a visible difference
_GAP = 4  # pixels between two images of a sheet
_SHEET_SIGMA = 3.0  # for models without their own sigma, as in the pre-training curves


def section(run: Run) -> list[Section]:
    """Return a section with reconstructions by every model and residual maps of the first PSE models.

    None if there are no reconstructions yet.
    """
    found, left_out = groups_with(run, attrgetter("reconstructions"))
    pictures = [picture for group in found for picture in (_models(run, group), *_residuals(run, group))]
    return [Section("Reconstructions", left_out, pictures)] if pictures else []


def models_sheet(images_N3HW: np.ndarray, reconstructions: Mapping[str, np.ndarray]) -> Drawing:
    """Draw the test images in the top row, then a row per entry (model: reconstructions_N3HW)."""
    rows = {"test image": images_N3HW} | dict(reconstructions)
    return _sheet([row[:MAX_IMAGES] for row in rows.values()], list(rows))


def residual_sheet(image_3HW: np.ndarray, reconstruction_3HW: np.ndarray, sigma: float | None) -> Drawing:
    """Draw the 3 x 3 sheet of slide 10: X, (X+M)/2, M; (X+P)/2, Y, (Y+M)/2; P, (Y+P)/2, (P+M)/2.

    The symbols are defined in `_parts`.
    """
    parts = _parts(image_3HW, reconstruction_3HW, sigma)
    x, y, m, p = (parts[name] for name in "XYMP")
    rows = [[x, (x + m) / 2, m], [(x + p) / 2, y, (y + m) / 2], [p, (y + p) / 2, (p + m) / 2]]
    return _sheet(rows, ("X, (X+M)/2, M", "(X+P)/2, Y, (Y+M)/2", "P, (Y+P)/2, (P+M)/2"))


def _models(run: Run, group: Group) -> Picture:
    arrays = {label(cell.model): store.read_npz(run.files(cell).reconstructions) for cell in group.cells}
    images = next(iter(arrays.values()))["images"]
    errors = {model: _mse(found["reconstructions"], found["images"]) for model, found in arrays.items()}
    words = ", ".join(f"{model} {error:.4f}" for model, error in errors.items())
    drawing = models_sheet(images, {model: found["reconstructions"] for model, found in arrays.items()})
    shown = f"{min(len(images), MAX_IMAGES)} test images"
    caption = f"Test images and their reconstructions by each model. MSE over {len(images)} images: {words}. "
    return Picture(
        f"reconstructions-{group.file}.png",
        f"{shown} in the top row, and below them their reconstructions by {', '.join(arrays)}; MSE: {words}.",
        caption + conditions(run, group, shown),
        drawing,
    )


def _residuals(run: Run, group: Group) -> list[Picture]:
    """Draw the residual maps of the first MAX_RESIDUALS models with PSE."""
    pictures = []
    for cell in [cell for cell in group.cells if cell.model.objective == "pse"][:MAX_RESIDUALS]:
        arrays, name = store.read_npz(run.files(cell).reconstructions), label(cell.model)
        drawing = residual_sheet(arrays["images"][0], arrays["reconstructions"][0], cell.model.sigma)
        caption = (
            f"{name}: the errors as weighed by MSE and by PSE. X is the image, Y its reconstruction, R = |Y - X|; M = "
            "√R are the errors per pixel, as in MSE, P = √(R * K) the smoothed errors, as in PSE (K as described); the "
            "other panels are averages of two. " + conditions(run, group, "1 test image")
        )
        alt = f"{name}: a test image X, its reconstruction Y, residual M and density P, and their averages in pairs."
        pictures.append(Picture(f"residuals-{group.file}-{cell.model.name}.png", alt, caption, drawing))
    return pictures


def _mse(reconstructions_N3HW: np.ndarray, images_N3HW: np.ndarray) -> float:
    return float(np.square(reconstructions_N3HW.astype(float) - images_N3HW.astype(float)).mean())


def _parts(image_3HW: np.ndarray, reconstruction_3HW: np.ndarray, sigma: float | None) -> dict[str, np.ndarray]:
    """Return X, Y, M = sqrt(R) and P = sqrt(R * K), each (3, H, W), with R = |Y - X| and a kernel K that sums to 1."""
    image, reconstruction = (np.asarray(picture, np.float32) for picture in (image_3HW, reconstruction_3HW))
    criterion = PSELoss(_SHEET_SIGMA if sigma is None else sigma)
    density = criterion.loss_map(torch.from_numpy(reconstruction), torch.from_numpy(image)).numpy()
    return {"X": image, "Y": reconstruction, "M": np.sqrt(np.abs(reconstruction - image)), "P": np.sqrt(density)}


def _sheet(rows: Sequence[Sequence[np.ndarray] | np.ndarray], labels: Sequence[str]) -> Drawing:
    """Draw rows of images (3, H, W), one pixel per image pixel, with a label on the left of each row."""
    height, width = rows[0][0].shape[1:]
    step_y, step_x = height + _GAP, width + _GAP
    canvas = np.full((step_y * len(rows) - _GAP, step_x * len(rows[0]) - _GAP, 3), int(BACKGROUND[1:3], 16) / 255)
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            tile = np.round(np.clip(np.nan_to_num(tile), 0, 1) * _LEVELS) / _LEVELS
            canvas[i * step_y : i * step_y + height, j * step_x : j * step_x + width] = tile.transpose(1, 2, 0)
    size_y, size_x = canvas.shape[:2]
    left, border = 128, 6  # pixels: width of the labels, outer margin
    total_x, total_y = left + size_x + border, size_y + 2 * border
    figure = Figure(figsize=(total_x / _DPI, total_y / _DPI), facecolor=BACKGROUND)
    axes = figure.add_axes((left / total_x, border / total_y, size_x / total_x, size_y / total_y))
    axes.imshow(canvas, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    for i, text in enumerate(labels):
        axes.text(-1.5 * _GAP, i * step_y + height / 2, text, ha="right", va="center", fontsize=8)
    return as_png(figure, _DPI)
