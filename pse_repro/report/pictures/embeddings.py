"""t-SNE of each model's latents of the test images, coloured and marked by class.

Shapes: embedding_N2 and labels (N,) 1..10 of N test images; rows that are not finite are not shown.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from pse_repro.report.pictures.picture import Group, Picture, Section, class_names, conditions, groups_with, paragraph
from pse_repro.report.pictures.plots import COLOURS, MARKS, Drawing, as_small_png, grid, legend
from pse_repro.study import store
from pse_repro.study.cells import label
from pse_repro.study.record import Run

_WORDS = (
    "Each mark is a test image; images with similar latents are close together. t-SNE preserves neighbourhoods, not "
    "distances: the gaps between clusters and their sizes have no meaning."
)


def section(run: Run) -> list[Section]:
    """Return a section with a picture per protocol, a panel per model; none if no model summary is stored."""
    found, left_out = groups_with(run, attrgetter("summary"))
    pictures = [_picture(run, group) for group in found]
    return [Section("Latents of test images", paragraph(_WORDS, left_out), pictures)] if pictures else []


def embeddings_figure(models: Mapping[str, tuple[np.ndarray, np.ndarray]], names: Sequence[str]) -> Drawing:
    """Draw a panel per entry (model: embedding_N2 and labels), with a colour and a mark per class."""
    figure, panels = grid(len(models), 2.9, 3.0, columns=3)
    handles: dict[str, Any] = {}
    for axes, (name, (embedding_N2, labels)) in zip(panels, models.items(), strict=True):
        for number, class_name in enumerate(names):
            x, y = embedding_N2[labels == number + 1].T
            colour, face = COLOURS[number % len(COLOURS)], "none" if number >= len(COLOURS) else None
            handles[class_name] = axes.scatter(
                x, y, s=13, marker=MARKS[number], linewidths=0.7, edgecolors=colour, facecolors=face or colour
            )
        axes.set_title(name, fontsize=10)
        axes.set(xticks=[], yticks=[])
    legend(figure, handles)
    return as_small_png(figure)


def _picture(run: Run, group: Group) -> Picture:
    models = {}
    for cell in group.cells:
        summary = store.read_npz(run.files(cell).summary)
        models[label(cell.model)] = summary["embedding"], summary["labels"]
    images = max(len(labels) for _, labels in models.values())
    return Picture(
        f"embeddings-{group.file}.png",
        f"t-SNE of the latents of {images} test images by class, {group.protocol}, by {', '.join(models)}.",
        "t-SNE of the latents (perplexity 30, Euclidean distances). " + conditions(run, group, f"{images} test images"),
        embeddings_figure(models, class_names(run)),
    )
