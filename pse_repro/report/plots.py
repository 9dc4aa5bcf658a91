"""The report's figures, drawn with matplotlib's Figure objects (no pyplot, no global state), as PNG bytes.

Shapes: images_N3HW and reconstructions_N3HW in [0, 1], one image 3HW; H rows, W columns.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from pse_repro.loss import PSELoss

SCREEN_DPI = 96  # a browser's: figures are shown in the size in inches that they are made for
CURVES_DPI = 120
IMAGE_DPI = 72  # an image's pixels an inch of a sheet
BACKGROUND = "#f4f3ef"  # neutral: reads on a light and on a dark page
# Okabe and Ito's colours, without the yellow: told apart with any colour vision; dashes tell the second seven apart.
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MOST_COLUMNS = 4  # of panels side by side
_GAP = 4  # pixels between two images of a sheet
_SHEET_SIGMA = 3.0  # where the model has none of its own, as in the pre-training curves


@dataclass(frozen=True)
class Drawing:
    """A PNG file, and its width on a page, in the page's pixels."""

    png: bytes
    width: int


@dataclass(frozen=True)
class Detail:
    """How much of a cell is drawn: test images, pixels of the sheet for one of theirs, levels of a channel above 0."""

    images: int
    zoom: int
    levels: int  # 63 are 6 bits: half the file of 8, and hardly to be told from them

    @classmethod
    def of(cls, cells: int) -> "Detail":
        """Less of each where many cells share the page: 7 are the study under one protocol, 14 under two."""
        return cls(4, 2, 63) if cells <= 3 else cls(2, 2, 63) if cells <= 7 else cls(1, 1, 31)


@dataclass(frozen=True)
class Curve:
    """One line: `values` by epoch, from 0; `best` is the epoch whose weights were kept."""

    model: str
    values: np.ndarray
    best: int


@dataclass(frozen=True)
class Score:
    """A model's top-1 accuracies in percent: its ensembles' (one a seed), its folds', the published one (or NaN)."""

    model: str
    ensembles: Sequence[float]
    folds: Sequence[float]
    published: float


def scores_figure(panels: Mapping[str, Sequence[Score]]) -> Drawing:
    """Top-1 accuracy by model, one panel an entry: a bar for the ensemble, dots for folds, a diamond for the paper."""
    columns = min(len(panels), MOST_COLUMNS)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(max(4.3, 2.15 * columns), 3.4 * rows), dpi=CURVES_DPI, facecolor=BACKGROUND)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.08)
    shared = None
    for number, (name, scores) in enumerate(panels.items(), 1):
        axes = shared = figure.add_subplot(rows, columns, number, facecolor="white", sharey=shared)
        places = np.arange(len(scores))
        for place, score in zip(places, scores, strict=True):
            colour = COLOURS[2] if "PSE" in score.model else "#8a8a8a"
            axes.bar(place, np.mean(score.ensembles), width=0.6, color=colour, alpha=0.8)
            axes.plot(np.full(len(score.folds), place), score.folds, "o", color="black", markersize=3)
            axes.plot(place, score.published, "D", color=COLOURS[1], markerfacecolor="none")
        axes.axhline(10, color="black", linewidth=0.8, linestyle=":")  # chance
        axes.set_xticks(places, [score.model for score in scores], rotation=30, ha="right", fontsize=8)
        axes.set_title(name, fontsize=9)
        axes.tick_params(axis="y", labelsize=8, labelleft=number % columns == 1 % columns)
        if number % columns == 1 % columns:
            axes.set_ylabel("test top-1 %", fontsize=9)
    return as_png(figure)


def curves_figure(title: str, panels: Mapping[str, Sequence[Curve]], log: bool) -> Drawing:
    """Validation losses by epoch, one panel an entry (name: curves), a colour a model, a ring at each best epoch."""
    figure = Figure(figsize=(8.6, 4.2), dpi=CURVES_DPI, facecolor=BACKGROUND)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.08)
    figure.suptitle(title, fontsize=11)
    models = list(dict.fromkeys(curve.model for curves in panels.values() for curve in curves))
    handles = {}
    for number, (name, curves) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(1, len(panels), number, facecolor="white")
        for curve in curves:
            place = models.index(curve.model)
            colour, style = COLOURS[place % len(COLOURS)], "-" if place < len(COLOURS) else "--"
            epochs = np.arange(len(curve.values))
            marker = "." if len(epochs) < 3 else ""  # a line of one point would not be seen
            (handles[curve.model],) = axes.plot(epochs, curve.values, style, color=colour, marker=marker, linewidth=1.4)
            axes.plot(curve.best, curve.values[curve.best], "o", color=colour, markerfacecolor="white", markersize=6)
        if log:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("epoch (from 0)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_ylabel("validation loss")
        axes.grid(True, which="both", color="#dddddd", linewidth=0.6)
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=min(4, len(handles)), frameon=False)
    return as_png(figure)


def reconstruction_sheet(
    images_N3HW: np.ndarray, reconstructions_N3HW: np.ndarray, sigma: float | None, detail: Detail
) -> Drawing:
    """A column an image: image, reconstruction, residual R and density R * K, both as square roots (slide 10)."""
    pairs = list(zip(images_N3HW, reconstructions_N3HW, strict=True))[: detail.images]
    columns = [_parts(image, reconstruction, sigma) for image, reconstruction in pairs]
    labels = ("image X", "reconstruction Y", "residual √R", "density √(R*K)")
    return _sheet([[column[part] for column in columns] for part in "XYMP"], labels, detail)


def residual_sheet(
    image_3HW: np.ndarray, reconstruction_3HW: np.ndarray, sigma: float | None, detail: Detail
) -> Drawing:
    """The 3 x 3 sheet of slide 10: X, (X+M)/2, M; (X+P)/2, Y, (Y+M)/2; P, (Y+P)/2, (P+M)/2."""
    parts = _parts(image_3HW, reconstruction_3HW, sigma)
    x, y, m, p = (parts[name] for name in "XYMP")
    rows = [[x, (x + m) / 2, m], [(x + p) / 2, y, (y + m) / 2], [p, (y + p) / 2, (p + m) / 2]]
    return _sheet(rows, ("X, (X+M)/2, M", "(X+P)/2, Y, (Y+M)/2", "P, (Y+P)/2, (P+M)/2"), detail)


def _parts(image_3HW: np.ndarray, reconstruction_3HW: np.ndarray, sigma: float | None) -> dict[str, np.ndarray]:
    """X, Y, M = sqrt(R) and P = sqrt(R * K), each (3, H, W); K is a density (it sums to 1)."""
    image, reconstruction = (np.asarray(picture, np.float32) for picture in (image_3HW, reconstruction_3HW))
    criterion = PSELoss(_SHEET_SIGMA if sigma is None else sigma)
    density = criterion.loss_map(torch.from_numpy(reconstruction), torch.from_numpy(image)).numpy()
    return {"X": image, "Y": reconstruction, "M": np.sqrt(np.abs(reconstruction - image)), "P": np.sqrt(density)}


def _sheet(rows: Sequence[Sequence[np.ndarray]], labels: Sequence[str], detail: Detail) -> Drawing:
    """Rows of images (3, H, W), each image pixel drawn as a square of whole pixels, with a label before each row."""
    height, width = rows[0][0].shape[1:]
    step_y, step_x = height + _GAP, width + _GAP
    canvas = np.full((step_y * len(rows) - _GAP, step_x * len(rows[0]) - _GAP, 3), int(BACKGROUND[1:3], 16) / 255)
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            tile = np.round(np.clip(np.nan_to_num(tile), 0, 1) * detail.levels) / detail.levels
            canvas[i * step_y : i * step_y + height, j * step_x : j * step_x + width] = tile.transpose(1, 2, 0)
    size_y, size_x = canvas.shape[:2]
    left, border = 92, 6  # room for the labels, and around
    total_x, total_y = left + size_x + border, size_y + 2 * border
    size = total_x / IMAGE_DPI, total_y / IMAGE_DPI
    figure = Figure(figsize=size, dpi=IMAGE_DPI * detail.zoom, facecolor=BACKGROUND)
    axes = figure.add_axes((left / total_x, border / total_y, size_x / total_x, size_y / total_y))
    axes.imshow(canvas, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    for i, label in enumerate(labels):
        axes.text(-1.5 * _GAP, i * step_y + height / 2, label, ha="right", va="center", fontsize=8)
    return as_png(figure)


def as_png(figure: Figure) -> Drawing:
    """The figure as PNG: the same bytes for the same data (no date, no version)."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=BACKGROUND, metadata={"Software": None})
    return Drawing(buffer.getvalue(), round(figure.get_figwidth() * SCREEN_DPI))
