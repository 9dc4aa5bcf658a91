"""Where each model's latents lie: t-SNE of test images, coloured and marked by class.

Shapes: embedding_N2, labels (N,) 1..10, latents_ND of N test images; a row that is not finite is not shown.
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
    "Each mark is a test image; images whose latents are alike lie close together. t-SNE keeps neighbourhoods, not "
    "distances: gaps and sizes mean nothing."
)


def section(run: Run) -> list[Section]:
    """A picture a protocol, a panel a model; none where no model has a portrait."""
    found, left_out = groups_with(run, attrgetter("summary"))
    pictures = [_picture(run, group) for group in found]
    return [Section("Latents of test images", paragraph(_WORDS, left_out), pictures)] if pictures else []


def embeddings_figure(models: Mapping[str, tuple[np.ndarray, np.ndarray]], names: Sequence[str]) -> Drawing:
    """A panel an entry (model: embedding_N2 and labels), a colour and a mark a class."""
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
        portrait = store.read_npz(run.files(cell).summary)
        models[label(cell.model)] = portrait["embedding"], portrait["labels"]
    images = max(len(labels) for _, labels in models.values())
    return Picture(
        f"embeddings-{group.file}.png",
        f"t-SNE of the latents of {images} test images by class, {group.protocol}, by {', '.join(models)}.",
        "t-SNE of the latents (perplexity 30, Euclidean distances). " + conditions(run, group, f"{images} test images"),
        embeddings_figure(models, class_names(run)),
    )
