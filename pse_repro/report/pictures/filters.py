"""First-layer filters of each model, and their roughness.

Shapes: filters_FCHW, F filters of C input channels.
"""

from collections.abc import Mapping
from operator import attrgetter

import numpy as np

from pse_repro.report.pictures.picture import Group, Picture, Section, conditions, groups_with, paragraph
from pse_repro.report.pictures.plots import BACKGROUND, Drawing, as_small_png, grid
from pse_repro.study import store
from pse_repro.study.cells import label
from pse_repro.study.record import Run

MAX_FILTERS = 64  # per model
_ACROSS = 16  # filters side by side


def section(run: Run) -> list[Section]:
    """Return a section with a picture per protocol, a panel per model; none if no filters are stored."""
    found, left_out = groups_with(run, attrgetter("summary"))
    pictures = [picture for group in found for picture in _pictures(run, group)]
    words = (
        "The patterns that the first convolution responds to. Smooth filters respond to patches of colour, rough "
        "filters to edges and noise."
    )
    return [Section("First-layer filters", paragraph(words, left_out), pictures)] if pictures else []


def roughness(filters_FCHW: np.ndarray) -> float:
    """Return the filters' mean total variation: mean absolute difference of neighbouring weights, in units of their SD.

    0 means constant filters; large filters of independent normal weights have 2 / sqrt(pi) = 1.13. NaN if no filter is
    finite and larger than one weight.
    """
    filters = filters_FCHW.astype(np.float64)
    scale = filters.std((1, 2, 3))
    parts = [np.abs(np.diff(filters, axis=axis)).reshape(len(filters), -1) for axis in (2, 3)]
    steps = np.concatenate(parts, axis=1)
    usable = np.isfinite(scale)
    if steps.shape[1] == 0 or not usable.any():
        return float("nan")
    flat = scale[usable] == 0
    return float((steps[usable].mean(1) / np.where(flat, 1, scale[usable])).mean())


def filters_figure(models: Mapping[str, np.ndarray]) -> Drawing:
    """Draw a panel per entry (model: filters_FCHW): filters in colour, 0 as grey, each scaled to its largest weight."""
    rows = max(-(-min(len(filters), MAX_FILTERS) // _ACROSS) for filters in models.values())
    figure, panels = grid(len(models), 2.8, 0.35 + 0.17 * rows, columns=3)
    for axes, (name, filters) in zip(panels, models.items(), strict=True):
        axes.imshow(_tiled(filters[:MAX_FILTERS]), interpolation="nearest")
        axes.set_title(name, fontsize=9)
        axes.set_axis_off()
    return as_small_png(figure)


def _tiled(filters_FCHW: np.ndarray) -> np.ndarray:
    """Return the tiled filters (rows, columns, 3) in [0, 1]; with other than three channels, their mean in grey."""
    filters = np.nan_to_num(filters_FCHW.astype(np.float64))
    if filters.shape[1] != 3:
        filters = np.repeat(filters.mean(1, keepdims=True), 3, axis=1)
    largest = np.abs(filters).max((1, 2, 3), keepdims=True)
    filters = 0.5 + filters / np.where(largest > 0, 2 * largest, 1)
    height, width = (size + 1 for size in filters.shape[2:])  # a gap of one weight
    rows = -(-len(filters) // _ACROSS)
    canvas = np.full((rows * height - 1, _ACROSS * width - 1, 3), int(BACKGROUND[1:3], 16) / 255)
    for number, weights in enumerate(filters):
        top, left = number // _ACROSS * height, number % _ACROSS * width
        canvas[top : top + height - 1, left : left + width - 1] = weights.transpose(1, 2, 0)
    return canvas


def _pictures(run: Run, group: Group) -> list[Picture]:
    summaries = {label(cell.model): store.read_npz(run.files(cell).summary) for cell in group.cells}
    models = {name: summary["filters"] for name, summary in summaries.items() if "filters" in summary}
    if not models:
        return []
    rough = ", ".join(f"{name} {roughness(filters):.2f}" for name, filters in models.items())
    caption = (
        "Grey is a weight of 0; each filter is scaled to its largest weight. Mean total variation of a filter (0: "
        f"constant; higher: rougher): {rough}. "
    )
    counts = ", ".join(dict.fromkeys(str(min(len(filters), MAX_FILTERS)) for filters in models.values()))
    return [
        Picture(
            f"filters-{group.file}.png",
            f"Filters of the first convolution, {group.protocol}. Mean total variation: {rough}.",
            caption + conditions(run, group, f"{counts} filters per model"),
            filters_figure(models),
        )
    ]
