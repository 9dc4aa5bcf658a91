"""Nearest neighbours of test images in each model's latent space.

Shapes: latents_ND and labels (N,) 1..10 of N test images, images_N3HW uint8; Q queries, K neighbours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from pse_repro.report.pictures.picture import Group, Picture, Section, class_names, conditions, groups_with, paragraph
from pse_repro.report.pictures.plots import BACKGROUND, COLOURS, SCREEN_DPI, Drawing, as_small_png, grid
from pse_repro.study import store
from pse_repro.study.cells import Cell, label
from pse_repro.study.record import Run

QUERIES, NEIGHBOURS = 5, 5
MAX_MODELS = 4
_GAP, _BESIDE = 8, 16  # pixels between two neighbours, and between the query and the first neighbour


@dataclass(frozen=True)
class Sample:
    """Test images with their labels, and the names of the classes, starting with label 1."""

    images_N3HW: np.ndarray
    labels: np.ndarray
    names: Sequence[str]


def section(run: Run) -> list[Section]:
    """Return a section with a picture per protocol, a panel per model; none without summaries and a test sample."""
    if not run.run_files.test_sample.is_file():
        return []
    found, left_out = groups_with(run, attrgetter("summary"))
    pictures = [_picture(run, group) for group in found]
    words = (
        "On the left of each panel is a test image, to the right the images with the nearest latents. A tick and a "
        "solid frame mark the same class; a cross and a dashed frame mark another class."
    )
    return [Section("Nearest neighbours", paragraph(words, left_out), pictures)] if pictures else []


def nearest(latents_ND: np.ndarray, count: int) -> np.ndarray:
    """Return (N, count) indices of the nearest other images by Euclidean distance, the nearest first.

    Images whose latents are not finite come last. `count` is limited to N - 1.
    """
    points = latents_ND.astype(np.float64)
    points -= np.nanmean(np.where(np.isfinite(points), points, np.nan), axis=0) if len(points) else 0
    squares = (points**2).sum(1)
    distances = squares[:, None] + squares - 2 * points @ points.T
    distances[~np.isfinite(distances)] = np.inf
    np.fill_diagonal(distances, np.nan)  # NaN sorts last, after infinity
    return np.argsort(distances, axis=1, kind="stable")[:, : min(count, len(points) - 1)]


def agreement(neighbours_NK: np.ndarray, labels: np.ndarray) -> float:
    """Return the percentage of neighbours that have the class of their image; NaN if there are none."""
    return 100 * float((labels[neighbours_NK] == labels[:, None]).mean()) if neighbours_NK.size else float("nan")


def queries(labels: np.ndarray) -> np.ndarray:
    """Return the indices of up to QUERIES images: the first of each class, for classes evenly spaced over all."""
    _, first = np.unique(labels, return_index=True)
    chosen = np.linspace(0, len(first) - 1, min(QUERIES, len(first))).round().astype(int)
    return np.asarray(first[chosen])


def neighbours_figure(models: Mapping[str, np.ndarray], sample: Sample) -> Drawing:
    """Draw a panel per entry (model: neighbours_NK), with a row per query."""
    labels = sample.labels
    rows = queries(labels)
    figure, panels = grid(len(models), 4.2, 0.4 + 0.57 * len(rows), columns=2)
    for axes, (name, neighbours) in zip(panels, models.items(), strict=True):
        axes.set_title(f"{name}: {agreement(neighbours, labels):.0f} % of neighbours share the class", fontsize=9)
        axes.set_axis_off()
        _panel(axes, neighbours[rows], rows, sample)
    return as_small_png(figure, SCREEN_DPI)


def _one_of_each(cells: Sequence[Cell]) -> list[Cell]:
    """Return the first cell of each encoder and objective."""
    found: dict[tuple[str, str], Cell] = {}
    for cell in cells:
        found.setdefault((cell.model.encoder, cell.model.labelled), cell)
    return list(found.values())


def _panel(axes: Axes, neighbours_QK: np.ndarray, rows: np.ndarray, sample: Sample) -> None:
    images_N3HW, labels = sample.images_N3HW, sample.labels
    height, width = images_N3HW.shape[2:]
    count = neighbours_QK.shape[1]
    lefts = [0] + [width + _BESIDE + place * (width + _GAP) for place in range(count)]
    size = len(rows) * (height + _GAP) - _GAP, lefts[-1] + width
    canvas = np.full((*size, 3), int(BACKGROUND[1:3], 16), np.uint8)
    for number, (query, found) in enumerate(zip(rows, neighbours_QK, strict=True)):
        top = number * (height + _GAP)
        for position, left in zip((query, *found), lefts, strict=True):
            canvas[top : top + height, left : left + width] = images_N3HW[position].transpose(1, 2, 0)
        for position, left in zip(found, lefts[1:], strict=True):
            _frame(axes, left, top, width, height, labels[position] == labels[query])
        axes.text(-4, top + height / 2, sample.names[labels[query] - 1], ha="right", va="center", fontsize=7)
    axes.imshow(canvas, interpolation="nearest")
    axes.set(xlim=(-3, size[1] + 3), ylim=(size[0] + 3, -3))


def _frame(axes: Axes, left: int, top: int, width: int, height: int, right: bool) -> None:
    """Draw a frame around an image, with a tick or a cross in its lower right corner."""
    colour, dash, mark = (COLOURS[3], "-", "\u2713") if right else (COLOURS[1], (0, (3, 2)), "\u2717")
    corner = left - 1.5, top - 1.5
    axes.add_patch(
        Rectangle(corner, width + 2, height + 2, fill=False, edgecolor=colour, linestyle=dash, linewidth=1.6)
    )
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    axes.text(
        left + width - 1, top + height - 1, mark, ha="right", va="bottom", fontsize=7, color=colour, bbox=box,
        family="DejaVu Sans",
    )  # fmt: skip


def _picture(run: Run, group: Group) -> Picture:
    stored = store.read_npz(run.run_files.test_sample)
    images, labels = stored["images"], stored["labels"].astype(np.int64)
    models = {}
    pictured = _one_of_each(group.cells)[:MAX_MODELS]
    for cell in pictured:
        summary = store.read_npz(run.files(cell).summary)
        models[label(cell.model)] = nearest(summary["latents"], NEIGHBOURS)
    words = ", ".join(f"{name} {agreement(neighbours, labels):.0f} %" for name, neighbours in models.items())
    left_out = ", ".join(label(cell.model) for cell in group.cells if cell not in pictured)
    caption = (
        f"Nearest by Euclidean distance among {len(images)} test images. Neighbours of the same class, over all of "
        f"these images: {words} (chance: about 10 %). {f'Not pictured: {left_out}. ' if left_out else ''}"
    )
    shown = f"{len(queries(labels))} of {len(images)} test images"
    return Picture(
        f"neighbours-{group.file}.png",
        f"Nearest neighbours of test images, {group.protocol}. Neighbours of the same class: {words}.",
        caption + conditions(run, group, shown),
        neighbours_figure(models, Sample(images, labels, class_names(run))),
    )
