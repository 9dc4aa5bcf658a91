"""Comparison of two runs of the kit, cell by cell.

Values are means over the seeds of a cell that both runs have. If both were evaluated on the same test images, the top-1
of the ensembles is compared image by image (pse_repro.stats). Tolerances are those of the published numbers, for
means over the common seeds.
"""

import html
import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tabulate import tabulate

from pse_repro.compare.chance import TableVerdict, judge_table
from pse_repro.compare.render import shown_interval, shown_number, whole_as_json
from pse_repro.config.study import Subset, Unlabeled
from pse_repro.expected import CELL, ExpectedTable, load_expected
from pse_repro.seeding import derive
from pse_repro.stats import Interval, paired_difference
from pse_repro.study.predictions import Predictions
from pse_repro.study.record import Run
from pse_repro.tables import model_id, model_name
from pse_repro.text import NONE, to_json

KEY = ["protocol", *CELL]
COLUMNS = (*KEY, "first", "second", "difference", "low", "high", "seeds", "tolerance", "verdict")
VERDICTS = ("identical", "within", "outside", "only in the first", "only in the second")


@dataclass(frozen=True, eq=False)
class RunsComparison:
    """Result of `compare_runs`: `rows` has COLUMNS, one row for each cell of either run.

    `low` and `high` bound the difference, paired over test images; they are NaN for all but ensemble top-1. `whole` is
    the verdict on all numbers of the study's models together, as two runs differ in some by chance; none for other
    images or another scale. `unlabeled` says of each run whether copies of test images were left out.
    """

    first: str
    second: str
    same_images: bool
    unlabeled: tuple[Unlabeled, Unlabeled]
    rows: pd.DataFrame
    whole: TableVerdict

    @property
    def exit_status(self) -> int:
        """1 if more values differ by more than their tolerances, or one by more, than chance explains, else 0."""
        return int(self.whole.verdict == "not reproduced")


def compare_runs(first: Run, second: Run) -> RunsComparison:
    """Join the results of two runs.

    Raises:
        UsageError: one of them has no results yet.
    """
    joined = _joined(first.require_results(), second.require_results())
    same = _test_images(first) == _test_images(second) is not None
    stored = (Predictions(first), Predictions(second)) if same else None
    slides = load_expected("slides")
    rows = pd.DataFrame([_row(cell, slides, stored) for cell in joined.to_dict("records")], columns=list(COLUMNS))
    unlabeled = (first.study.unlabeled, second.study.unlabeled)
    comparable = same and first.study.scale == second.study.scale and len(set(unlabeled)) == 1
    whole = _whole(rows, slides) if comparable else TableVerdict("")
    return RunsComparison(str(first.directory), str(second.directory), same, unlabeled, rows, whole)


def _whole(rows: pd.DataFrame, slides: ExpectedTable) -> TableVerdict:
    """Judge the numbers that the slides have, too, whose spread is known; identical ones count as within."""
    known = rows.merge(slides.frame[list(CELL)], on=list(CELL))
    verdicts = known["verdict"].replace("identical", "within")
    return judge_table(known.assign(verdict=verdicts, other_seeds=known["seeds"]), slides)


def _joined(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return each cell's mean value and number of seeds in either run; NaN if a run lacks the cell."""
    by_seed = first.merge(second, on=[*KEY, "seed"], how="outer", suffixes=("_first", "_second"), indicator=True)
    is_common = by_seed["_merge"] == "both"
    has_common = is_common.groupby([by_seed[column] for column in KEY]).transform("any")
    parts = []
    for name, side in (("first", "left_only"), ("second", "right_only")):
        grouped = by_seed[is_common | (~has_common & (by_seed["_merge"] == side))].groupby(KEY, sort=False)
        mean = grouped[f"value_{name}"].agg(lambda values: values.mean(skipna=False))
        parts.append(pd.DataFrame({f"value_{name}": mean, f"seeds_{name}": grouped.size()}))
    return parts[0].merge(parts[1], on=KEY, how="outer").reset_index()


def _test_images(run: Run) -> tuple[str, Subset | int | None] | None:
    """Identify the test set by the MD5 of its file and the images used; None if the MD5 is not recorded."""
    md5, subset = run.data.get("md5", {}).get("test_X.bin"), run.study.subset
    return None if md5 is None else (md5, subset if subset.held_out else subset.test)


def _row(
    cell: Mapping[Hashable, Any], tolerances: ExpectedTable, stored: tuple[Predictions, Predictions] | None
) -> dict[str, object]:
    first, second = float(cell["value_first"]), float(cell["value_second"])
    tolerance = tolerances.tolerance(cell)
    interval = _interval(cell, *stored) if stored and (cell["metric"], cell["fold"]) == ("top1", "ensemble") else None
    missing = "only in the second" if math.isnan(cell["seeds_first"]) else "only in the first"
    alone = math.isnan(cell["seeds_first"]) or math.isnan(cell["seeds_second"])
    seeds = 0 if alone else int(min(cell["seeds_first"], cell["seeds_second"]))
    accepted = math.nan if tolerance is None else tolerance.at(max(1, seeds), max(1, seeds))
    return {
        **{column: cell[column] for column in KEY},
        "first": first,
        "second": second,
        "difference": first - second,
        "low": math.nan if interval is None else interval.low,
        "high": math.nan if interval is None else interval.high,
        "seeds": seeds,
        "tolerance": accepted,
        "verdict": missing if alone else _verdict(first, second, accepted),
    }


def _verdict(first: float, second: float, tolerance: float) -> str:
    if first == second:
        return "identical"
    if math.isnan(tolerance):
        return ""
    return "within" if abs(first - second) <= tolerance else "outside"


def _interval(cell: Mapping[Hashable, Any], first: Predictions, second: Predictions) -> Interval | None:
    """Return the interval of the ensembles' difference over seeds complete in both runs.

    None if there is no such seed, or if the cell is a baseline, which `Predictions` does not cover.
    """
    model, protocol, evaluation = model_id(cell), cell["protocol"], cell["evaluation"]
    if not all(run.covers(model, evaluation) for run in (first, second)):
        return None
    seeds = [
        seed
        for seed in first.seeds
        if seed in second.seeds and all(run.complete(protocol, model, evaluation, seed) for run in (first, second))
    ]
    if not seeds:
        return None
    ours, theirs = (
        np.stack([run.correct(protocol, model, evaluation, seed).ensemble_N for seed in seeds])
        for run in (first, second)
    )
    random = np.random.default_rng(derive("compare runs", protocol, model, evaluation))
    return paired_difference(ours, theirs, generator=random)


def render_runs(comparison: RunsComparison, format: str) -> str:
    """Render the comparison as table, markdown, latex, html, csv (only the rows) or json (schemas/runs.schema.json)."""
    rows = comparison.rows
    if format == "csv":
        return rows.to_csv(index=False, lineterminator="\n")
    if format == "json":
        kept = {name: getattr(comparison, name) for name in ("first", "second", "same_images", "unlabeled")}
        return to_json(kept | {"whole": whole_as_json(comparison.whole), "rows": rows.to_dict("records")})
    style = {"table": "simple", "markdown": "pipe", "latex": "latex_booktabs"}.get(format, format)
    header = ["protocol", "model", "evaluation", "fold", "metric", "first", "second", "difference", "95 %", "verdict"]
    table = tabulate([_cells(row) for row in rows.to_dict("records")], header, style, disable_numparse=True)
    counts = ", ".join(f"{(rows['verdict'] == verdict).sum()} {verdict}" for verdict in VERDICTS)
    images = "the same test images" if comparison.same_images else "other test images: no intervals"
    summary = f"first {comparison.first}, second {comparison.second}, {images}: {len(rows)} values, {counts}"
    ours, theirs = comparison.unlabeled
    if ours != theirs:
        summary += f"; other data sets: pre-trained on the unlabelled images {ours} (first), {theirs} (second)"
    if comparison.whole.verdict:
        summary += f"; all numbers together: {comparison.whole.verdict} ({comparison.whole.reason})"
    return f"{table}\n\n{html.escape(summary) if format == 'html' else summary}"


def _cells(row: Mapping[Hashable, Any]) -> list[str]:
    def shown(column: str, sign: str = "") -> str:
        return NONE if math.isnan(row[column]) else shown_number(row[column], row["metric"], sign)

    model = model_name(row["encoder"], row["objective"], row["sigma"])
    values = [shown("first"), shown("second"), shown("difference", "+")]
    interval = shown_interval(row["low"], row["high"], row["metric"])
    key = [row["protocol"], model, row["evaluation"], row["fold"] or NONE, row["metric"]]
    return [*key, *values, interval, row["verdict"] or NONE]
