"""The tables of the report: numbers of a run and of its comparison, as text for the HTML and Markdown pages."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pse_repro.claims import (
    ALIGN,
    HEADER,
    PARTS_ALIGN,
    PARTS_HEADER,
    ClaimResult,
    claims_table,
    parts_table,
    table_notes,
)
from pse_repro.compare.join import Comparison, printed_percent
from pse_repro.compare.render import (
    DIFFERENCES_ALIGN,
    DIFFERENCES_HEADER,
    comparison_cells,
    difference_cells,
    notes_of,
    shown_number,
)
from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Model, described
from pse_repro.evaluation.registry import EVALUATIONS, has_folds, title_of
from pse_repro.expected import load_expected
from pse_repro.study.cells import Cell, key, label
from pse_repro.study.record import Run
from pse_repro.study.survey import cell_parts
from pse_repro.tables import PERCENTAGES, model_name
from pse_repro.text import NONE, duration


@dataclass(frozen=True)
class Table:
    """A table of text; `align` has one letter per column, l or r; `notes` are footnotes, numbered from 1."""

    title: str
    header: tuple[str, ...]
    align: str
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)


def pretraining_table(run: Run) -> Table:
    """Return the validation metrics of each pre-training at the epoch whose weights were kept."""
    rows = []
    for cell in run.cells:
        if trained := run.pretraining(cell):
            metrics = trained.metrics
            names = ("best_epoch", "validation_loss", "validation_mse", "validation_accuracy")
            values = [shown_number(metrics[name], name) if name in metrics else NONE for name in names]
            rows.append([run.title(cell), *values])
    header: tuple[str, ...] = ("model", "kept epoch", "own loss", "MSE", "pretext accuracy %")
    if all(row[-1] == NONE for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    return Table("Validation at the kept epoch", header, "l" + "r" * (len(header) - 1), rows)


def score_tables(run: Run, comparison: Comparison) -> list[Table]:
    """Return a table per protocol and per evaluation of the slides that has scores, a row per model (seed means)."""
    tables = []
    for protocol in run.protocols:
        for evaluation in (name for name, row in EVALUATIONS.items() if row.on_slides):
            part = _where(run.results, protocol=protocol.name, evaluation=evaluation)
            if len(part):
                tables.append(_score_table(run, comparison, part, protocol, evaluation))
    return tables


def _score_table(run: Run, comparison: Comparison, part: pd.DataFrame, protocol: Protocol, evaluation: str) -> Table:
    # printed by the same rule as in the comparison (switch 13)
    rule = protocol.switches.ensemble_printing if comparison.expected.printed else None
    expected = _where(comparison.rows, protocol=protocol.name, evaluation=evaluation, fold="ensemble", metric="top1")
    rows = []
    for model in run.models:
        own = _where(part, **key(model))
        ensemble = _where(own, fold="ensemble")
        folds = own[own["fold"] != "ensemble"]
        means = {metric: _where(ensemble, metric=metric)["value"].mean() for metric in sorted(PERCENTAGES)}
        if rule:
            means = {metric: printed_percent(mean, rule) for metric, mean in means.items()}
        top1, loss = (_where(folds, metric=metric)["value"] for metric in ("top1", "loss"))
        folds_range = f"{top1.min():.2f} to {top1.max():.2f}" if len(top1) else NONE
        rows.append([
            label(model), str(own["seed"].nunique()),
            _shown(means["top1"], "top1") + _spread(_where(ensemble, metric="top1")["value"]),
            _published(_where(expected, **key(model))), _gain(part, model), _shown(means["top2"], "top2"),
            _shown(means["top4"], "top4"), _shown(top1.mean(), "top1"), folds_range, _shown(loss.mean(), "loss"),
        ])  # fmt: skip
    header: tuple[str, ...] = (
        "model", "seeds", "top-1 %", f"expected ({comparison.expected.name})", "gain over MSE, points", "top-2 %",
        "top-4 %", "fold top-1 %", "fold range", "fold loss",
    )  # fmt: skip
    if all(row[3] == NONE for row in rows):  # no expected values
        header, rows = header[:3] + header[4:], [row[:3] + row[4:] for row in rows]
    title = f"{title_of(evaluation)}, {protocol.name}"
    return Table(title, header, "l" + "r" * (len(header) - 1), rows)


def claims(results: Sequence[ClaimResult]) -> Table | None:
    """Return the claims tested on this run; None if no claim could be tested."""
    if not results:
        return None
    return Table("Claims", HEADER, ALIGN, claims_table(results), table_notes(results))


def claim_parts(results: Sequence[ClaimResult]) -> Table | None:
    """Return the tested parts of the claims with what each run could have found; None if no claim could be tested."""
    if not results:
        return None
    notes = [
        "Effects as in the table of claims. Detectable: the smallest true effect with which the part would hold in "
        "80 % of such runs, at the strictest level that Holm's correction asks for; none with fewer than three seeds, "
        "or for an equivalence. A part's verdict is at the level of a single test."
    ]
    return Table("Claims, part by part", PARTS_HEADER, PARTS_ALIGN, parts_table(results), notes)


def baseline_table(run: Run) -> Table | None:
    """Return the logistic regressions on pixels and on principal components, with the number of models below each.

    None if the run has no such baseline.
    """
    linear = _where(run.results, evaluation="linear", objective="none")
    if not len(linear):
        return None
    rows = []
    for protocol in run.protocols:
        for encoder in dict.fromkeys(linear["encoder"]):
            part = _where(linear, protocol=protocol.name, encoder=encoder)
            values = [_where(part, fold="ensemble", metric=metric)["value"].mean() for metric in sorted(PERCENTAGES)]
            beaten = _below(run, protocol, values[0])
            shown = [_shown(value, "top1") for value in values]
            rows.append([protocol.name, model_name(encoder, "none", ""), *shown, beaten])
    notes = [
        "Logistic regression on the labelled images only, with as many folds as the study has, without augmentation.",
        "Published results of both on STL-10 are about 36 % top-1, above every frozen CNN row of the slides "
        f"({_frozen_slides()} %).",
    ]
    header = ("protocol", "baseline", "top-1 %", "top-2 %", "top-4 %", "models below it in top-1")
    return Table("Baselines on pixels", header, "llrrrl", rows, notes)


def _below(run: Run, protocol: Protocol, top1: float) -> str:
    """Count the models whose ensemble has a lower top-1, by evaluation."""
    parts = []
    for evaluation in run.study.evaluations:
        own = _where(run.results, protocol=protocol.name, evaluation=evaluation, fold="ensemble", metric="top1")
        means = own.groupby(["encoder", "objective", "sigma"])["value"].mean()
        if len(means):
            parts.append(f"{evaluation}: {(means < top1).sum()} of {len(means)}")
    return ", ".join(parts) or NONE


def _frozen_slides() -> str:
    """Format the range of the slides' frozen CNN ensembles in top-1."""
    frozen = _where(load_expected("slides").frame, encoder="cnn", evaluation="frozen", fold="ensemble", metric="top1")
    return f"{frozen['value'].min():.2f} to {frozen['value'].max():.2f}"


def _published(rows: pd.DataFrame) -> str:
    if not len(rows):
        return NONE
    row = rows.iloc[0]
    return shown_number(row["expected"], "top1") + (" (not comparable)" if row["verdict"] == "not comparable" else "")


def _gain(part: pd.DataFrame, model: Model) -> str:
    """Format the ensemble top-1 minus that of MSE with the same encoder, label and seed, in points, not rounded."""
    if model.objective == "mse":
        return NONE
    top1 = _where(part, fold="ensemble", metric="top1")
    models = (model, Model(model.encoder, "mse", unlabeled=model.unlabeled, label=model.label))
    own, baseline = (_where(top1, **key(each)).set_index("seed")["value"] for each in models)
    gains = (own - baseline).dropna()
    return _shown(gains.mean(), "top1", "+") + _spread(gains)


def _spread(values: "pd.Series[float]") -> str:
    """Format the standard deviation over seeds; empty with one seed."""
    return f" ± {values.std():.2f}" if len(values) > 1 else ""


def comparison_table(comparison: Comparison) -> Table:
    """Return every row of the comparison, with reasons and notes as footnotes."""
    found = comparison.rows.to_dict("records")
    notes = [text for row in found for text in (row["reason"], *notes_of(row)) if text and text != "no tolerance"]
    notes = list(dict.fromkeys(notes))

    def marks(row: Mapping[Hashable, Any]) -> str:
        texts = dict.fromkeys(text for text in (row["reason"], *notes_of(row)) if text in notes)
        return "".join(f" [{notes.index(text) + 1}]" for text in texts)

    header, rows = comparison_cells(comparison.rows, marks)
    numbers = len(header) - header.index("expected") - 1
    align = "l" * header.index("expected") + "r" * numbers + "l"
    return Table(f"Expected values: {len(rows)}", tuple(header), align, rows, notes)


def differences_table(comparison: Comparison) -> Table | None:
    """Return the differences between the losses against the published ones; None if none is comparable."""
    if not comparison.differences:
        return None
    notes = [
        "From three seeds on: reproduced if the true difference is significantly closer to the published one than "
        "half way to zero; before: within or outside a tolerance that covers 19 of 20 correct runs. The published "
        "numbers are single runs, whose own noise counts."
    ]
    rows = difference_cells(comparison.differences)
    return Table("The finding itself: PSE minus MSE", DIFFERENCES_HEADER, DIFFERENCES_ALIGN, rows, notes)


def cells_table(run: Run) -> Table:
    """Return the cells of the run: state, length and learning rate of the pre-training, durations and memory."""
    rows = []
    for cell in run.cells:
        trained, note = run.pretraining(cell), run.provenance(cell)
        length = [str(trained.length.epochs), str(trained.length.batch_size)] if trained else [NONE, NONE]
        memory = note.peak_memory_bytes if note else 0
        rows.append([
            run.title(cell), _state(run, cell), *length,
            f"{cell.recipe.learning_rate:g}", _optimizer(cell.model),
            duration(trained.seconds) if trained else NONE,
            duration(sum(note.seconds.values())) if note else NONE,
            f"{memory / 2**30:.2f} GiB" if memory else NONE,
        ])  # fmt: skip
    header: tuple[str, ...] = (
        "cell", "state", "epochs", "batch", "learning rate", "optimizer", "pre-training", "total", "peak memory",
    )  # fmt: skip
    align = "llrrrlrrr"
    if all(not _optimizer(model) for model in run.models):
        header, align, rows = header[:5] + header[6:], "llrrrrrr", [row[:5] + row[6:] for row in rows]
    return Table("Cells", header, align, rows)


def _optimizer(model: Model) -> str:
    """List the model's own settings of the optimizer beside its learning rate and batch size."""
    return described(model.of_optimizer)


def _state(run: Run, cell: Cell) -> str:
    if run.failure(cell):
        return "failed"
    if not run.pretraining(cell):
        return "pre-training not finished" if run.files(cell).model.exists() else "not started"
    parts = cell_parts(run.directory, cell)
    incomplete = []
    for name in cell.evaluations:
        done = [part.complete for part in parts if part.phase == name]
        if not all(done):
            incomplete.append(f"{name} {sum(done)} of {len(done)} folds" if has_folds(name) else f"no {name}")
    return "; ".join(["pre-trained", *incomplete]) if incomplete else "done"


def _where(table: pd.DataFrame, **columns: str) -> pd.DataFrame:
    for column, value in columns.items():
        table = table[table[column] == value]
    return table


def _shown(value: float, metric: str, sign: str = "") -> str:
    return NONE if math.isnan(value) else shown_number(value, metric, sign)
