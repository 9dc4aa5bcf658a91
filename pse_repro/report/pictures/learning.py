"""Learning curves of pre-training, with the lowest values of the slides' curves, and of the classifiers.

Shapes: values (E,) by epoch, E epochs; NaN if an epoch has no value.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pse_repro.evaluation.registry import row_of, title_of
from pse_repro.expected import FOLDER
from pse_repro.objectives import OBJECTIVES
from pse_repro.objectives.shared.reconstruction import CURVE_SIGMA
from pse_repro.report.pictures.picture import Group, Picture, Section, conditions, groups, paragraph
from pse_repro.report.pictures.plots import COLOURS, GRID, MAX_COLUMNS, Drawing, as_svg, grid, legend, log_axis, style
from pse_repro.study import store
from pse_repro.study.address import CellFiles
from pse_repro.study.cells import Cell, key, label
from pse_repro.study.record import Run

_KERNEL = ("kernel_mass", "kernel_support", "borders")  # the switches that affect the value of PSE
_AS_RELEASED = ("third", "one-sigma", "zeros")
_TRAIN, _VALIDATION, _BEST, _SLIDES = "training", "validation", "kept epoch", "slides, lowest"


@dataclass(frozen=True)
class Curve:
    """Validation and, if recorded, training losses by epoch from 0; `best` is the epoch whose weights were kept."""

    validation: np.ndarray
    best: int
    train: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class Panel:
    """One model under one loss: a curve per seed, and the lowest validation value of the slides, if published."""

    title: str
    curves: Sequence[Curve]
    slides: float | None = None


def slides_curves() -> pd.DataFrame:
    """Read the lowest values of the slides' pre-training curves.

    Columns: encoder, objective, sigma, metric, source (strings), value, epochs. validation_loss is the model's own
    criterion; PSE is as released, whose kernel has mass 1/3, so that it is 1/9 of the PSE with a normalised kernel.
    """
    text = dict.fromkeys(("encoder", "objective", "sigma", "metric", "source"), str)
    return pd.read_csv(FOLDER / "slides_curves.csv", dtype=text, keep_default_na=False)


def section(run: Run) -> list[Section]:
    """Return a section with pictures of pre-training and classifiers per protocol; none if there are no curves yet."""
    pretrained, left_out = _curves_of(run, reconstructs=True)
    others, others_left_out = _curves_of(run, reconstructs=False)
    evaluated, _ = groups(
        run,
        lambda cell: any(run.files(cell).stored_folds(evaluation) for evaluation in _by_epochs(cell)),
        lambda cell: tuple(CellFiles(run.directory, cell).evaluation(evaluation) for evaluation in _by_epochs(cell)),
    )
    pictures = [_pretraining(run, group) for group in pretrained] + [_own_tasks(run, group) for group in others]
    pictures += [_classifiers(run, group) for group in evaluated]
    words = paragraph(left_out, others_left_out)
    return [Section("Learning curves", words, pictures)] if pictures else []


def _curves_of(run: Run, reconstructs: bool) -> tuple[list[Group], str]:
    """Return the groups of cells with curves, of objectives that reconstruct the images or of the others."""
    return groups(
        run,
        lambda cell: (
            OBJECTIVES[cell.model.objective].kind.reconstructs == reconstructs and run.files(cell).curves.is_file()
        ),
        lambda cell: CellFiles(run.directory, cell).model,
    )


def _by_epochs(cell: Cell) -> list[str]:
    """Return the cell's evaluations whose classifiers have a validation loss per epoch."""
    return [evaluation for evaluation in cell.evaluations if row_of(evaluation).on_slides]


def pretraining_figure(models: Sequence[tuple[Panel, Panel]]) -> Drawing:
    """Draw a column per model: MSE above, PSE below; solid: validation, dotted: training, dashed: the slides."""
    panels = [*(mse for mse, _ in models), *(pse for _, pse in models)]
    width = min(3.6, max(1.2, 7.2 / len(models)))
    figure, axes = grid(len(panels), width, 2.3, columns=len(models), share="rows")
    handles: dict[str, Any] = {}
    for place, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
        handles |= _pretraining_panel(axis, panel, first=place % len(models) == 0)
    legend(figure, handles)
    return as_svg(figure)


def own_tasks_figure(panels: Sequence[Panel]) -> Drawing:
    """Draw a panel per model with its own loss and its own axis; solid: validation, dotted: training."""
    figure, axes = grid(len(panels), 2.4, 2.2)
    handles: dict[str, Any] = {}
    for place, (axis, panel) in enumerate(zip(axes, panels, strict=True)):
        handles |= _pretraining_panel(axis, panel, first=place % MAX_COLUMNS == 0)
    legend(figure, handles)
    return as_svg(figure)


def classifiers_figure(panels: Mapping[str, Mapping[str, Sequence[Curve]]]) -> Drawing:
    """Draw a panel per entry (name: curves by model): validation loss by epoch, a line per fold, best epochs marked."""
    models = list(dict.fromkeys(model for curves in panels.values() for model in curves))
    figure, axes = grid(len(panels), 4.2, 3.6)
    handles: dict[str, Any] = {}
    for axis, (name, by_model) in zip(axes, panels.items(), strict=True):
        for model, curves in by_model.items():
            look = style(models.index(model))
            for curve in curves:
                best = [curve.best] if curve.best < len(curve.validation) else []
                (handles[model],) = axis.plot(
                    curve.validation, **look, markevery=best, markersize=5, linewidth=1.1, markerfacecolor="white"
                )
        axis.set_title(name, fontsize=10)
        axis.set_ylabel("validation loss", fontsize=9)
        _epochs(axis)
    legend(figure, handles)
    return as_svg(figure)


def _pretraining_panel(axis: Axes, panel: Panel, first: bool) -> dict[str, Any]:
    handles: dict[str, Any] = {}
    for curve in panel.curves:
        marker = "." if len(curve.validation) < 3 else ""  # a line through one point is invisible
        (handles[_VALIDATION],) = axis.plot(curve.validation, color=COLOURS[2], marker=marker, linewidth=1.4)
        if np.isfinite(curve.train).any():
            (handles[_TRAIN],) = axis.plot(curve.train, ":", color="black", marker=marker, linewidth=1.2)
        if curve.best < len(curve.validation):
            (handles[_BEST],) = axis.plot(
                curve.best, curve.validation[curve.best], "o", color=COLOURS[2], markerfacecolor="white", markersize=6
            )
    if panel.slides is not None:
        handles[_SLIDES] = axis.axhline(panel.slides, color=COLOURS[1], linestyle="--", linewidth=1.2)
    if panel.curves:
        log_axis(axis, "y")
    axis.set_title(panel.title, fontsize=9)
    axis.set_ylabel("loss" if first else "", fontsize=9)
    _epochs(axis)
    return handles


def _epochs(axis: Axes) -> None:
    axis.set_xlabel("epoch", fontsize=9)
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    axis.grid(True, color=GRID, linewidth=0.6)


def _pretraining(run: Run, group: Group) -> Picture:
    models = [(_panel(run, cell, "mse"), _panel(run, cell, "pse")) for cell in group.cells]
    words = "; ".join(
        f"{panel.title.replace(chr(10), ', ')} {_lowest(panel.curves):.3g}"
        + ("" if panel.slides is None else f" (slides {panel.slides:g})")
        for pair in models
        for panel in pair
        if panel.curves
    )
    seeds = f", a line each for {run.seeds} seeds" if run.seeds > 1 else ""
    caption = (
        "Pre-training, log scale: MSE above, PSE below (with the model's own sigma; for models without one, the "
        f"released PSE with sigma {CURVE_SIGMA}); training curves only for the model's own loss. Dashed: the lowest "
        "validation value of the slides' curves, read off their plots within about 3 %; it is comparable only with "
        "full-length runs on STL-10 as released. " + conditions(run, group, f"{len(models)} models{seeds}")
    )
    alt = f"Validation losses of pre-training at the kept epoch, {group.protocol}: {words}."
    return Picture(f"pretraining-{group.file}.svg", alt, caption, pretraining_figure(models))


def _own_tasks(run: Run, group: Group) -> Picture:
    panels = [Panel(label(cell.model), _curves(run, cell, "validation_loss", "train_loss")) for cell in group.cells]
    words = "; ".join(f"{panel.title} {_lowest(panel.curves):.3g}" for panel in panels)
    seeds = f", a line each for {run.seeds} seeds" if run.seeds > 1 else ""
    caption = (
        "Pre-training of objectives without reconstructions, log scale: the losses of different objectives are not "
        "comparable. " + conditions(run, group, f"{len(panels)} models{seeds}")
    )
    alt = f"Own validation losses at the kept epoch, {group.protocol}: {words}."
    return Picture(f"own-tasks-{group.file}.svg", alt, caption, own_tasks_figure(panels))


def _panel(run: Run, cell: Cell, loss: str) -> Panel:
    """Return the panel of one loss (mse or pse), with all seeds of the cell's model under its protocol."""
    own = cell.model.objective == loss
    curves = _curves(run, cell, "validation_loss" if own else f"validation_{loss}", "train_loss" if own else "")
    name = "MSE" if loss == "mse" else f"PSE {CURVE_SIGMA if cell.model.sigma is None else cell.model.sigma:g}"
    return Panel(f"{label(cell.model)}\n{name}", curves, _slides(cell, loss))


def _curves(run: Run, cell: Cell, *columns: str) -> list[Curve]:
    """Read the curves of all seeds of the cell's model under its protocol.

    `columns` are the names of the validation and of the training loss; the latter may be absent.
    """
    curves = []
    for other in run.cells:
        path = run.files(other).curves
        note = run.pretraining(other) if (other.protocol, other.model) == (cell.protocol, cell.model) else None
        if note and path.is_file():
            frame = store.read_csv(path)
            validation, train = (frame[name].to_numpy(float) if name in frame else np.empty(0) for name in columns)
            if len(validation):
                curves.append(Curve(validation, int(note.metrics["best_epoch"]), train))
    return curves


def _slides(cell: Cell, loss: str) -> float | None:
    """Return the slides' lowest validation value or None; for PSE only if the protocol's kernel is as released."""
    kernel = tuple(getattr(cell.protocol.switches, name) for name in _KERNEL)
    if loss == "pse" and (cell.model.objective != "pse" or kernel != _AS_RELEASED):
        return None
    rows = slides_curves()
    metric = "validation_mse" if loss == "mse" else "validation_loss"
    for column, value in (key(cell.model) | {"metric": metric}).items():
        rows = rows[rows[column] == value]
    return float(rows["value"].iloc[0]) if len(rows) else None


def _classifiers(run: Run, group: Group) -> Picture:
    panels: dict[str, dict[str, list[Curve]]] = {}
    for cell in group.cells:
        for evaluation in _by_epochs(cell):
            for path in run.files(cell).stored_folds(evaluation):
                fold = store.read_npz(path)
                if "validation_losses" in fold:
                    curve = Curve(fold["validation_losses"].astype(float), int(fold["best_epoch"]))
                    name = title_of(evaluation)
                    panels.setdefault(name, {}).setdefault(label(cell.model), []).append(curve)
    words = "; ".join(
        f"{name}: " + ", ".join(f"{model} {_lowest(curves):.4g}" for model, curves in by_model.items())
        for name, by_model in panels.items()
    )
    folds = max(len(curves) for by_model in panels.values() for curves in by_model.values())
    caption = "Cross-entropy of the classifiers on their validation images, a line per fold, marks at the kept epochs. "
    caption += conditions(run, group, f"{len(group.cells)} models, {folds} folds")
    alt = f"Validation losses of the classifiers at the best epoch, {group.protocol}. {words}."
    return Picture(f"classifiers-{group.file}.svg", alt, caption, classifiers_figure(panels))


def _lowest(curves: Sequence[Curve]) -> float:
    """Return the lowest validation loss at the kept epochs, over seeds or folds."""
    return min(float(curve.validation[min(curve.best, len(curve.validation) - 1)]) for curve in curves)
