"""Confusion matrices of the ensembles.

Shapes: counts_CC, rows the true class, columns the predicted one; N test images, C = 10 classes.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from pse_repro.evaluation.registry import EVALUATIONS, title_of
from pse_repro.evaluation.scores import ensemble
from pse_repro.report.pictures.picture import Group, Picture, Section, class_names, conditions, groups, paragraph
from pse_repro.report.pictures.plots import Drawing, as_small_png, grid
from pse_repro.study import store
from pse_repro.study.address import CellFiles
from pse_repro.study.cells import Cell, label
from pse_repro.study.record import Run

_MAP = "Blues"  # lightness falls evenly
_ACROSS = 3  # panels side by side
_DARK = 55.0  # percent above which a number is printed in white


def section(run: Run) -> list[Section]:
    """Return a section with a picture per protocol and evaluation, a panel per model with complete folds."""
    pictures, words = [], []
    of_study = run.study.evaluations
    for evaluation in (name for name, row in EVALUATIONS.items() if row.on_slides and name in of_study):
        found, left_out = groups(
            run,
            lambda cell, name=evaluation: len(run.files(cell).stored_folds(name)) == cell.folds,  # type: ignore[misc]
            lambda cell, name=evaluation: CellFiles(run.directory, cell).evaluation(name),  # type: ignore[misc]
        )
        pictures += [_picture(run, group, evaluation) for group in found]
        words += [left_out]
    return [Section("Which classes are confused", paragraph(*dict.fromkeys(words)), pictures)] if pictures else []


def counts(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return counts_CC from predicted classes and labels, each (N,) and counted from 0."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def confusion_figure(models: Mapping[str, np.ndarray], names: Sequence[str]) -> Drawing:
    """Draw a panel per entry (model: counts_CC): percent of each true class, on a common scale."""
    figure, panels = grid(len(models), 2.9, 2.9, columns=_ACROSS)
    for number, (axes, (name, found)) in enumerate(zip(panels, models.items(), strict=True)):
        percent = 100 * found / np.maximum(found.sum(1, keepdims=True), 1)
        image = axes.imshow(percent, _MAP, vmin=0, vmax=100)
        for row, column in np.argwhere(percent >= 0.5):
            value = percent[row, column]
            ink = "white" if value > _DARK else "black"
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=6, color=ink)
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
        axes.set_yticks(range(len(names)), names if number % _ACROSS == 0 else [""] * len(names), fontsize=7)
        axes.set_title(f"{name}: {100 * np.trace(found) / max(found.sum(), 1):.2f} %", fontsize=9)
    figure.supxlabel("predicted class", fontsize=9)
    figure.supylabel("true class", fontsize=9)
    bar = figure.colorbar(image, ax=panels, shrink=0.6)
    bar.set_label("percent of the true class", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    return as_small_png(figure)


def _picture(run: Run, group: Group, evaluation: str) -> Picture:
    names = class_names(run)
    models = {label(cell.model): _counts(run, cell, evaluation, len(names)) for cell in group.cells}
    images = int(next(iter(models.values())).sum())
    words = "; ".join(f"{name}: {_worst(found, names)}" for name, found in models.items())
    title = title_of(evaluation)
    caption = (
        f"{title}: the ensemble's predictions for each true class, in percent of that class; top-1 in the titles. "
    )
    return Picture(
        f"confusion-{evaluation}-{group.file}.png",
        f"Confusion matrices, {title}, {group.protocol}. Most frequent confusion of {words}.",
        caption + conditions(run, group, f"{images} test images"),
        confusion_figure(models, names),
    )


def _counts(run: Run, cell: Cell, evaluation: str, classes: int) -> np.ndarray:
    folds = [store.read_npz(path) for path in run.files(cell).stored_folds(evaluation)]
    predicted = ensemble([fold["probabilities"] for fold in folds]).argmax(1)
    return counts(predicted, folds[0]["labels"].astype(np.int64) - 1, classes)


def _worst(counts_CC: np.ndarray, names: Sequence[str]) -> str:
    """Describe the most frequent confusion."""
    mistakes = counts_CC - np.diag(np.diag(counts_CC))
    true, predicted = np.unravel_index(mistakes.argmax(), mistakes.shape)
    return f"{names[true]} taken for {names[predicted]} ({mistakes[true, predicted]} times)"
