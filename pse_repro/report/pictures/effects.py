"""Effects of a run's protocols on the models: a table, and a forest plot of the intervals."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pse_repro.compare.effects import BASE, Effect
from pse_repro.compare.explain import EFFECTS_HEADER, effect_rows, turned_words
from pse_repro.evaluation.registry import title_of
from pse_repro.report.pictures.picture import Picture, Section
from pse_repro.report.pictures.plots import BACKGROUND, COLOURS, GRID, PRINT_DPI, Drawing, as_svg, legend
from pse_repro.report.tables import Table
from pse_repro.stats import Interval
from pse_repro.study.record import Run

_OFFSET = 0.17  # distance of a mark from the middle of its row


def section(run: Run, effects: Sequence[Effect]) -> list[Section]:
    """Return a section with the figure; none if the run has a single protocol."""
    figure = effects_figure(effects)
    if figure is None:
        return []
    seeds = dict.fromkeys(effect.seeds for effect in effects)
    caption = (
        f"Ensemble top-1. Dots: PSE minus MSE under each protocol; squares: change of MSE's own accuracy against {BASE}"
        ". Whiskers: 95 % intervals over seeds and test images, with two seeds or more. "
        f"{', '.join(dict.fromkeys(effect.pair for effect in effects))}; n = {', '.join(map(str, seeds))} "
        f"seed{'s' * (max(seeds) > 1)}; data: {run.images_name}."
    )
    return [Section("Effect of each switch", "", [Picture("switches.svg", effects_words(effects), caption, figure)])]


def effects_table(effects: Sequence[Effect]) -> Table | None:
    """Return the rows of `pse-repro explain RUN` as a table; None if the run has a single protocol."""
    if not _several(effects):
        return None
    notes = [
        "Ensemble top-1; differences in percentage points with 95 % intervals over seeds and test images. Changes are "
        f"against {BASE}."
    ]
    return Table("Effect of each switch", EFFECTS_HEADER, "lllrrrrrr", effect_rows(effects), notes)


def effects_figure(effects: Sequence[Effect]) -> Drawing | None:
    """Draw a panel per evaluation and a row per protocol: PSE minus MSE, and the change of MSE against the base.

    None if the run has a single protocol.
    """
    if not _several(effects):
        return None
    by_evaluation: dict[str, list[Effect]] = {}
    for effect in effects:
        by_evaluation.setdefault(effect.evaluation, []).append(effect)
    longest = max(map(len, by_evaluation.values()))
    figure = Figure(figsize=(9.2, 1.5 + 0.31 * longest), dpi=PRINT_DPI, facecolor=BACKGROUND)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.06)
    first: Axes | None = None
    for number, (evaluation, rows) in enumerate(by_evaluation.items(), 1):
        axes = figure.add_subplot(1, len(by_evaluation), number, facecolor="white", sharey=first)
        first = first or axes
        _panel(axes, rows)
        axes.set_title(title_of(evaluation), fontsize=10)
        axes.tick_params(axis="y", labelleft=number == 1, labelsize=8)
    handles, names = first.get_legend_handles_labels() if first else ([], [])
    legend(figure, dict(zip(names, handles, strict=True)))
    return as_svg(figure)


def effects_words(effects: Sequence[Effect]) -> str:
    """Describe the figure in words, for its alternative text."""
    rows = (
        f"{title_of(effect.evaluation)}, {effect.protocol}: PSE minus MSE "
        f"{effect.gap.estimate:+.2f}" + (f", MSE moved {effect.mse_change.estimate:+.2f}" if effect.mse_change else "")
        for effect in effects
    )
    return f"Ensemble top-1 in percentage points. {'; '.join(rows)}."


def _several(effects: Sequence[Effect]) -> bool:
    return any(effect.gap_change is not None for effect in effects)


def _panel(axes: Axes, effects: Sequence[Effect]) -> None:
    gap_name, level_name = "PSE minus MSE", f"accuracy of MSE, against {BASE}"
    for row, effect in enumerate(effects):
        _mark(axes, effect.gap, row - _OFFSET, "o", COLOURS[2], gap_name if row == 0 else "")
        if effect.mse_change is not None:
            _mark(axes, effect.mse_change, row + _OFFSET, "s", COLOURS[1], level_name if row == 1 else "")
        if row % 2:
            axes.axhspan(row - 0.5, row + 0.5, color="#f2f2f2", zorder=0)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(effects)), [_label(effect) for effect in effects])
    axes.set_ylim(len(effects) - 0.5, -0.5)
    axes.set_xlabel("percentage points, 95 % interval", fontsize=9)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(True, axis="x", color=GRID, linewidth=0.6)


def _mark(axes: Axes, interval: Interval, height: float, marker: str, colour: str, name: str) -> None:
    """Draw a point, with whiskers if there are at least two seeds."""
    if interval.seeds > 1:
        axes.plot([interval.low, interval.high], [height, height], color=colour, linewidth=1.6)
    face = colour if marker == "o" else "white"
    axes.plot(interval.estimate, height, marker, color=colour, markerfacecolor=face, markersize=5, label=name)


def _label(effect: Effect) -> str:
    if len(effect.switches) == 1:
        return f"{effect.switches[0]}. {turned_words(effect)}"
    return effect.protocol if not effect.switches else f"{effect.protocol} ({turned_words(effect)})"
