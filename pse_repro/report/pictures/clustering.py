"""Reconstruction error against clustering accuracy of the features, over the epochs E whose features were kept."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pse_repro.report.pictures.picture import Group, Picture, Section, conditions, groups, paragraph
from pse_repro.report.pictures.plots import COLOURS, GRID, Drawing, as_svg, grid, legend
from pse_repro.study import store
from pse_repro.study.cells import Cell, label
from pse_repro.study.record import Run
from pse_repro.study.records import Measured

CLUSTER = "cluster"


@dataclass(frozen=True)
class ErrorCurve:
    """Validation MSE (pixels in [0, 1]) and clustering accuracy (0 to 1) by epoch, in order."""

    errors_E: np.ndarray
    accuracies_E: np.ndarray
    rho: float | None  # Spearman's rank correlation; None with too few epochs


def section(run: Run) -> list[Section]:
    """Return a section with a picture per protocol; none if no epoch's features were kept."""
    if CLUSTER not in run.study.evaluations:
        return []
    found, left_out = groups(
        run,
        lambda cell: run.files(cell).cluster_curve.is_file(),
        lambda cell: run.files(cell).evaluation(CLUSTER),
    )
    words = (
        "Features of the test images are reduced by kernel PCA and t-SNE, then clustered by k-means: do features "
        "improve as the reconstruction error falls?"
    )
    pictures = [_picture(run, group) for group in found]
    return [Section("Reconstruction error and clusters", paragraph(words, left_out), pictures)] if pictures else []


def curves_figure(curves: Mapping[str, ErrorCurve]) -> Drawing:
    """Draw a panel per model: epochs as points joined in order, the first as a ring and the last as a square."""
    figure, axes = grid(len(curves), 2.9, 2.6)
    for panel, (title, curve) in zip(axes, curves.items(), strict=True):
        rho = "" if curve.rho is None else f"\nrank correlation {curve.rho:.2f}"
        panel.set_title(title + rho, fontsize=10)
        x, y = curve.errors_E, curve.accuracies_E
        panel.plot(x, y, "o-", color=COLOURS[0], markersize=3, linewidth=0.8)
        panel.plot(x[0], y[0], "o", color=COLOURS[1], markerfacecolor="none", markersize=9, label="first epoch")
        panel.plot(x[-1], y[-1], "s", color=COLOURS[2], markerfacecolor="none", markersize=9, label="last epoch")
        panel.grid(True, color=GRID, linewidth=0.6)
        panel.set_axisbelow(True)
        panel.set_xlabel("validation MSE", fontsize=9)
    axes[0].set_ylabel("clustering accuracy", fontsize=9)
    handles, names = axes[0].get_legend_handles_labels()
    legend(figure, dict(zip(names, handles, strict=True)))
    return as_svg(figure)


def _picture(run: Run, group: Group) -> Picture:
    curves = {label(cell.model): _curve(run, cell) for cell in group.cells}
    epochs = ", ".join(dict.fromkeys(str(len(curve.errors_E)) for curve in curves.values()))
    caption = (
        "Reconstruction error against clustering accuracy, by epoch: two clusters, animals and vehicles, if the "
        f"classes are those of STL-10, else ten. {conditions(run, group, f'{epochs} epochs')}"
    )
    alt = f"Clustering accuracy over validation MSE: {'; '.join(map(_in_words, curves, curves.values()))}."
    return Picture(f"error-accuracy-{group.file}.svg", alt, caption, curves_figure(curves))


def _curve(run: Run, cell: Cell) -> ErrorCurve:
    files = run.files(cell)
    curve = store.read_csv(files.cluster_curve).sort_values("epoch")
    rho = store.read_record(files.measures(CLUSTER), Measured).metrics.get("error_rank_correlation")
    return ErrorCurve(curve["error"].to_numpy(), curve["accuracy"].to_numpy(), rho)


def _in_words(name: str, curve: ErrorCurve) -> str:
    first, last = (f"{curve.accuracies_E[place]:.2f} at {curve.errors_E[place]:.4g}" for place in (0, -1))
    return f"{name} from {first} to {last}"
