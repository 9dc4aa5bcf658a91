"""PSE among its peers: the scores of every objective in every evaluation, as a table and a figure.

It is included for runs with evaluations beyond the study's own (`linear`, `knn`, `low-label`, `cluster`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import pandas as pd
from matplotlib.figure import Figure

from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Model
from pse_repro.evaluation.registry import EVALUATIONS, Column, row_of
from pse_repro.report.pictures.picture import Picture, Section
from pse_repro.report.pictures.plots import BACKGROUND, COLOURS, GRID, PRINT_DPI, Drawing, as_svg
from pse_repro.report.tables import Table
from pse_repro.stats import Interval, mean_interval
from pse_repro.study.cells import key, label
from pse_repro.study.record import Run
from pse_repro.study.records import Trained
from pse_repro.text import NONE, duration

(LINEAR,) = EVALUATIONS["linear"].columns  # the evaluation that the baselines on pixels have as well
STUDY = ("mse", "pse")


@dataclass(frozen=True)
class Row:
    """One model under one protocol: for each column a value per seed, in percent, and its finished pre-trainings."""

    model: Model
    values: dict[str, list[float]]
    trained: list[Trained]

    @property
    def rank(self) -> float:
        """Mean of the first column that has values; minus infinity without any."""
        return next((fmean(values) for values in self.values.values() if values), float("-inf"))


def columns() -> list[tuple[str, Column]]:
    """Return every evaluation's columns, each with the evaluation's name."""
    return [(name, column) for name, evaluation in EVALUATIONS.items() for column in evaluation.columns]


def rows(run: Run, protocol: Protocol) -> list[Row]:
    """Return a row for each model that was evaluated, the best first."""
    found = []
    part = run.results[run.results["protocol"] == protocol.name]
    for model in run.models:
        own = part[(part[list(key(model))] == pd.Series(key(model))).all(axis=1)]
        values = {column.heading: _values(own, evaluation, column) for evaluation, column in columns()}
        cells = [cell for cell in run.cells if cell.model == model and cell.protocol.name == protocol.name]
        trained = [note for cell in cells if (note := run.pretraining(cell))]
        if any(values.values()):
            found.append(Row(model, values, trained))
    return sorted(found, key=lambda row: row.rank, reverse=True)


def _values(own: pd.DataFrame, evaluation: str, column: Column) -> list[float]:
    part = own[own["evaluation"].eq(evaluation) & own["metric"].eq(column.metric) & own["fold"].isin(["ensemble", ""])]
    return [column.scale * value for value in part.sort_values("seed")["value"]]


def peers_tables(run: Run) -> list[Table]:
    """Return a table per protocol, the best model first: means over seeds with their standard deviation."""
    tables = []
    for protocol in run.protocols if _has_peers(run) else ():
        found = rows(run, protocol)
        used = [column.heading for _, column in columns() if any(row.values[column.heading] for row in found)]
        body = [
            [
                label(row.model),
                str(len(row.trained)),
                *(shown(row.values[heading]) for heading in used),
                _pretext(row),
                _time(row),
            ]
            for row in found
        ]
        header: tuple[str, ...] = ("model", "seeds", *used, "pretext task %", "pre-training")
        if all(row[-2] == NONE for row in body):
            header, body = (*header[:-2], header[-1]), [[*row[:-2], row[-1]] for row in body]
        notes = [
            f"Every model was pre-trained with {_budget(run)}; the last column is the duration of pre-training.",
            "Pretext task: right answers on validation images at the kept epoch, and what guessing would reach; a task "
            "that was hardly learnt shows nothing of what it could teach.",
            "Supervised, label-text and joint pre-training have already used some of the labels of linear, kNN and "
            "low-label; image-text has been told what each unlabelled image shows.",
        ]
        if body:
            tables.append(Table(f"Peers, {protocol.name}", header, "l" + "r" * (len(header) - 1), body, notes))
    return tables


def section(run: Run) -> list[Section]:
    """Return a section with a picture per protocol; none for runs that have only the study's own evaluations."""
    protocols = run.protocols if _has_peers(run) else ()
    pictures = [picture for protocol in protocols for picture in _picture(run, protocol)]
    return [Section("PSE among its peers", "", pictures)] if pictures else []


def _picture(run: Run, protocol: Protocol) -> list[Picture]:
    """Draw the models in the first column that has values; none if no evaluation is complete."""
    found = rows(run, protocol)
    heading = next((column.heading for _, column in columns() if found and found[0].values[column.heading]), None)
    if heading is None:
        return []
    named = {label(row.model): row.values[heading] for row in found if row.values[heading]}
    counts = sorted({len(values) for values in named.values()})
    caption = (
        "The best model comes first. Large marks: means (squares: the study's objectives), dots: seeds, whiskers: 95 % "
        f"intervals over seeds, if there are several. n = {' to '.join(map(str, counts[:1] + counts[1:][-1:]))} "
        f"seed{'s' * (counts[-1] > 1)}; {_budget(run)}; protocol {protocol.name}; data: {run.images_name}."
    )
    levels = _baselines(run, protocol) if heading == LINEAR.heading else {}
    marked = {label(row.model) for row in found if row.model.objective in STUDY}
    words = ", ".join(f"{name} {fmean(values):.2f}" for name, values in named.items())
    alt = f"{heading} of every model: {words}." + "".join(f" {name} {value:.2f}." for name, value in levels.items())
    figure = peers_figure(named, marked, levels, heading)
    return [Picture(f"peers-{protocol.name.replace('/', '-')}.svg", alt, caption, figure)]


def peers_figure(
    models: Mapping[str, Sequence[float]], marked: set[str], levels: Mapping[str, float], unit: str
) -> Drawing:
    """Draw a row per model, in the given order: values, mean (a square if `marked`) and interval.

    `levels` are drawn as dashed vertical lines.
    """
    figure = Figure(figsize=(7.4, 1.2 + 0.24 * len(models)), dpi=PRINT_DPI, facecolor=BACKGROUND)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.06)
    axes = figure.add_subplot(facecolor="white")
    for place, (name, values) in enumerate(models.items()):
        colour = COLOURS[1] if name in marked else COLOURS[2]
        interval = _interval(values)
        if interval:
            axes.plot([interval.low, interval.high], [place, place], color=colour, linewidth=1.4)
        axes.plot(values, [place] * len(values), ".", color=colour, markersize=4, alpha=0.6)
        axes.plot(fmean(values), place, "s" if name in marked else "o", color=colour, markersize=7)
    for (name, value), dash in zip(levels.items(), ("--", ":", "-."), strict=False):
        axes.axvline(value, color=COLOURS[0], linestyle=dash, linewidth=1, label=f"{name} {value:.1f}")
    axes.set_yticks(range(len(models)), list(models), fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(unit, fontsize=9)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(True, axis="x", color=GRID, linewidth=0.6)
    if levels:
        axes.legend(fontsize=8, loc="lower left", frameon=True)
    return as_svg(figure)


def _interval(values: Sequence[float]) -> Interval | None:
    return mean_interval(list(values)) if len(values) > 1 else None


def _baselines(run: Run, protocol: Protocol) -> dict[str, float]:
    """Return the mean scores of logistic regression on pixels and on principal components, with the same labels."""
    linear = run.results[run.results["objective"].eq("none") & run.results["protocol"].eq(protocol.name)]
    names = {"pixels": "raw pixels", "pca": "256 components"}
    found = {name: _values(linear[linear["encoder"].eq(encoder)], "linear", LINEAR) for encoder, name in names.items()}
    return {name: fmean(values) for name, values in found.items() if values}


def _has_peers(run: Run) -> bool:
    return any(not row_of(evaluation).on_slides for evaluation in run.study.evaluations)


def shown(values: Sequence[float]) -> str:
    """Format the mean over seeds, with their standard deviation if there are several."""
    if not values:
        return NONE
    spread = f" ± {pd.Series(values).std():.1f}" if len(values) > 1 else ""
    return f"{fmean(values):.1f}{spread}"


def _pretext(row: Row) -> str:
    """Format the accuracy in the pretext task, and its chance level if that is known."""
    right = [note.metrics["validation_accuracy"] for note in row.trained if "validation_accuracy" in note.metrics]
    chance = next((f" (chance {note.chance:.3g})" for note in row.trained if note.chance is not None), "")
    return f"{shown(right)}{chance}" if right else NONE


def _time(row: Row) -> str:
    trained = row.trained if row.model.objective != "random" else []
    return duration(fmean(note.seconds for note in trained)) if trained else NONE


def _budget(run: Run) -> str:
    """Describe the study's budget."""
    budget = run.study.budget
    if budget is None:
        return f"{run.study.epochs} epochs"
    amounts = {"steps": budget.steps, "images": budget.images, "seconds": budget.seconds}
    return next(f"{amount:,.12g} {unit}" for unit, amount in amounts.items() if amount is not None)
