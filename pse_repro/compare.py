"""Compare results with expected values: a join on the cell, a verdict for each, and the printing of both.

A cell is encoder, objective, sigma, evaluation, fold and metric. Protocol, data and scale are conditions of a table:
a measured value made under others is shown but "not comparable". Seeds are averaged.
"""

import json
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
from tabulate import SEPARATING_LINE, tabulate

from pse_repro.errors import UsageError
from pse_repro.expected import CELL, ExpectedTable, Tolerance, load_expected
from pse_repro.tables import KEY, as_table, plain_cell

__all__ = [
    "FORMATS",
    "VERDICTS",
    "Comparison",
    "compare",
    "load_expected",
    "model_name",
    "printed_percent",
    "render",
    "shown_number",
]

Rule = Literal["cut", "rounded"]
VERDICTS = ("within", "outside", "missing", "not comparable")  # "" is a fifth: the metric has no tolerance
FORMATS = ("table", "markdown", "csv", "json")
COLUMNS = (
    *("protocol", *CELL, "expected", "measured", "difference"),
    *("tolerance", "verdict", "reason", "source", "note", "seeds"),
)
# Switch 13: how a protocol prints ensemble scores; protocols not named here round.
PRINT_RULES: Mapping[str, Rule] = {"as-released": "cut", "initial": "cut"}
_PRINTED = frozenset({"top1", "top2", "top4"})
_DIGITS = 9  # differences are rounded here, so that 51.26 + 2.0 is within 2.0 of 51.26 whatever floats say
_SHOWN = 5  # extra values and cells of a note that are spelled out for people


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found: `rows` (COLUMNS, one row a cell), `extra` (results nobody expected), what was assumed."""

    rows: pd.DataFrame
    extra: pd.DataFrame
    expected: ExpectedTable
    assumed: Mapping[str, str]

    def summary(self) -> dict[str, int]:
        """Count the rows of each verdict, those without a tolerance, and the extra values."""
        counts = Counter(self.rows["verdict"])
        return {
            **{verdict: counts[verdict] for verdict in VERDICTS},
            "no tolerance": counts[""],
            "extra": len(self.extra),
        }

    def exit_status(self, strict: bool = False) -> int:
        """Return 1 if a value is outside its tolerance (strict: or missing, or not comparable), else 0."""
        bad = ("outside", "missing", "not comparable") if strict else ("outside",)
        return int(any(self.summary()[verdict] for verdict in bad))


def compare(
    results: pd.DataFrame,
    expected: ExpectedTable,
    *,
    scope: pd.DataFrame | None = None,
    print_rules: Mapping[str, Rule] = PRINT_RULES,
) -> Comparison:
    """Join results with expected values: one row for each expected cell and each protocol in the results.

    `scope` limits which cells can be missing: a frame with some of the columns protocol, encoder, objective, sigma,
    evaluation, fold, metric, one row a combination. `print_rules` says by protocol how ensemble scores are printed.

    Raises:
        UsageError: the results are not of the long form, or the scope has none of those columns.
    """
    results = as_table(results, "results").sort_values([*KEY, "value"], ignore_index=True)
    protocols = sorted(set(results["protocol"])) or [expected.conditions.get("protocol", "")]
    wanted = _Scope(scope)
    relevant = results[results["metric"].isin(set(expected.frame["metric"]))]
    groups = {tuple(map(str, key)): group for key, group in relevant.groupby(["protocol", *CELL])}
    rows = []
    for protocol in protocols:
        for cell in expected.frame.to_dict("records"):
            key = (protocol, *(str(cell[column]) for column in CELL))
            group = groups.pop(key, None)
            if group is not None or key in wanted:
                rows.append(_row(protocol, cell, group, expected, print_rules.get(protocol, "rounded")))
    unmatched = [index for group in groups.values() for index in group.index]
    return Comparison(
        rows=pd.DataFrame(rows, columns=list(COLUMNS)),
        extra=relevant.loc[sorted(unmatched)].reset_index(drop=True),
        expected=expected,
        assumed=dict(results.attrs["assumed"]),
    )


def printed_percent(value: float, rule: Rule) -> float:
    """Cut or round (half up) a percentage to two decimals, blind to float noise; other numbers are left alone.

    Switch 13: the released code cuts, 51.4375 is printed as 51.43.
    """
    if not 0 <= value <= 100:
        return value
    hundredths = round(value * 100, 6)  # 28.999999999996 is 29
    return math.floor(hundredths if rule == "cut" else hundredths + 0.5) / 100


def model_name(encoder: str, objective: str, sigma: str) -> str:
    """Name a model as the slides do: CNN-MSE, ResNet-PSE-3."""
    encoder = {"cnn": "CNN", "resnet": "ResNet"}.get(encoder, encoder)
    return "-".join(part for part in (encoder, objective.upper(), sigma) if part)


class _Scope:
    """The cells that a run set out to measure; without a frame, all of them."""

    def __init__(self, frame: pd.DataFrame | None) -> None:
        names = ("protocol", *CELL)
        self.columns = [] if frame is None else [column for column in names if column in frame]
        if frame is not None and not self.columns:
            raise UsageError(f"the scope has none of the columns {', '.join(names)}; give at least one")
        self.places = [names.index(column) for column in self.columns]
        cells = [] if frame is None else frame[self.columns].astype(object).to_numpy().tolist()
        self.cells = {tuple(map(plain_cell, self.columns, cell)) for cell in cells}

    def __contains__(self, key: tuple[str, ...]) -> bool:
        return not self.columns or tuple(key[place] for place in self.places) in self.cells


def _row(
    protocol: str, cell: Mapping[Hashable, Any], group: pd.DataFrame | None, expected: ExpectedTable, rule: Rule
) -> dict[str, object]:
    """Judge one cell; `group` holds its measured values, one a seed."""
    tolerance = expected.tolerance(cell["evaluation"], cell["metric"], cell["fold"])
    measured = math.nan if group is None else float(group["value"].mean(skipna=False))
    if expected.printed and cell["fold"] == "ensemble" and cell["metric"] in _PRINTED:
        measured = printed_percent(measured, rule)
    difference = round(measured - cell["value"], _DIGITS)
    verdict, reason = _verdict(group, measured, difference, tolerance, expected.conditions)
    return {
        **{column: cell[column] for column in (*CELL, "source", "note")},
        "protocol": protocol,
        "expected": cell["value"],
        "measured": measured,
        "difference": difference,
        "tolerance": math.nan if tolerance is None else tolerance.value,
        "verdict": verdict,
        "reason": reason,
        "seeds": 0 if group is None else len(group),
    }


def _verdict(
    group: pd.DataFrame | None,
    measured: float,
    difference: float,
    tolerance: Tolerance | None,
    conditions: Mapping[str, str],
) -> tuple[str, str]:
    if group is None:
        return "missing", ""
    reasons = []
    for column, wanted in conditions.items():
        found = sorted(set(group[column]) - {wanted}) if column in group else [""]
        if found:
            reasons.append(f"{column} is {' and '.join(value or 'unknown' for value in found)}, not {wanted}")
    if reasons:
        return "not comparable", "; ".join(reasons)
    if tolerance is None:
        return "", "no tolerance"
    if not math.isfinite(measured):
        return "outside", f"measured value is {measured}"
    return ("within" if abs(difference) <= tolerance.value else "outside"), ""


def render(comparison: Comparison, format: str = "table") -> str:
    """Render a comparison as text: table or markdown for people, csv (the rows) or json (everything) for programs.

    Raises:
        UsageError: unknown format.
    """
    if format == "csv":
        return comparison.rows.to_csv(index=False, lineterminator="\n")
    if format == "json":
        return _json(comparison)
    if format == "table":
        return "\n".join(_people(comparison, "simple"))
    if format == "markdown":
        return "\n\n".join(_people(comparison, "pipe"))
    raise UsageError(f"unknown format {format!r}; expected one of {', '.join(FORMATS)}")


def _json(comparison: Comparison) -> str:
    expected = comparison.expected
    document = {
        "expected": {part: getattr(expected, part) for part in ("name", "title", "author", "date", "url", "notes")},
        "summary": comparison.summary(),
        "rows": _records(comparison.rows),
        "extra": _records(comparison.extra),
        "assumed": dict(comparison.assumed),
    }
    return json.dumps(document, indent=1, allow_nan=False)


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Rows as strict JSON has them: null for NaN, infinity and "no verdict"."""

    def strict(column: Hashable, value: Any) -> object:
        lost = isinstance(value, float) and not math.isfinite(value)
        return None if lost or (column, value) == ("verdict", "") else value

    return [{str(column): strict(column, value) for column, value in row.items()} for row in frame.to_dict("records")]


def _people(comparison: Comparison, style: str) -> list[str]:
    """The blocks people read: the table, footnotes to verdicts, notes, what was assumed, and the summary."""
    rows = comparison.rows
    reasons = [reason for reason in dict.fromkeys(rows["reason"]) if reason and reason != "no tolerance"]
    lines = _grid(rows, reasons, style)
    lines += [f"[{number}] {reason}" for number, reason in enumerate(reasons, 1)]
    for note in dict.fromkeys(note for note in rows["note"] if note):
        lines.append(f"note: {_list(_cell_name(row) for row in _rows(rows[rows['note'] == note]))}: {note}")
    lines += [f"note: {note}" for note in comparison.expected.notes]
    if len(comparison.extra):
        found = (f"{_cell_name(row)} = {row['value']:.6g}" for row in _rows(comparison.extra))
        lines.append(f"extra, not expected: {_list(found)}")
    lines += _assumed(comparison.assumed)
    return [*lines, _summary_line(comparison)]


def _grid(rows: pd.DataFrame, reasons: list[str], style: str) -> list[str]:
    header = ["model", "evaluation", "fold", "metric", "expected", "measured", "difference", "tolerance", "verdict"]
    several = rows["protocol"].nunique() > 1
    body = []
    for row in _rows(rows):
        mark = f" [{reasons.index(row['reason']) + 1}]" if row["reason"] in reasons else ""
        metric, measured = row["metric"], row["seeds"] > 0
        line = [
            *(model_name(row["encoder"], row["objective"], row["sigma"]), row["evaluation"], row["fold"], metric),
            shown_number(row["expected"], metric),
            *(shown_number(row["measured"], metric) if measured else "-",),
            *(shown_number(row["difference"], metric, "+") if measured else "-",),
            "-" if math.isnan(row["tolerance"]) else f"{row['tolerance']:g}",
            (row["verdict"] or "no tolerance") + mark,
        ]
        body.append([str(part).replace("|", "\\|") for part in ([row["protocol"], *line] if several else line)])
    header = ["protocol", *header] if several else header
    align = ["left"] * (len(header) - 5) + ["right"] * 4 + ["left"]
    if not body:
        return []
    if style == "simple":  # tabulate pads headers by two; as the first row they are not, and the table fits
        return [tabulate([header, SEPARATING_LINE, *body], tablefmt=style, disable_numparse=True, colalign=align)]
    return [tabulate(body, header, style, disable_numparse=True, colalign=align)]


def _rows(frame: pd.DataFrame) -> Iterable[dict[Hashable, Any]]:
    return frame.to_dict("records")


def shown_number(value: float, metric: str, sign: str = "") -> str:
    """A number for people: two decimals for percentages, four for losses, six digits for others."""
    digits = ".2f" if metric in _PRINTED else ".4f" if metric == "loss" else ".6g"
    return format(value, sign + digits)


def _cell_name(row: Mapping[Hashable, Any]) -> str:
    fold = f"fold {row['fold']}" if str(row["fold"]).isdigit() else row["fold"]
    model = model_name(row["encoder"], row["objective"], row["sigma"])
    return " ".join(part for part in (model, row["evaluation"], fold, row["metric"]) if part)


def _list(parts: Iterable[str]) -> str:
    everything = list(dict.fromkeys(parts))
    more = [f"and {len(everything) - _SHOWN} more"] if len(everything) > _SHOWN else []
    return ", ".join([*everything[:_SHOWN], *more])


def _assumed(assumed: Mapping[str, str]) -> list[str]:
    filled = [f"{column} {value}" for column, value in assumed.items() if value]
    unknown = [column for column, value in assumed.items() if not value]
    lines = [f"assumed, as the results do not say: {', '.join(filled)}"] if filled else []
    return lines + ([f"unknown, as the results do not say: {', '.join(unknown)}"] if unknown else [])


def _summary_line(comparison: Comparison) -> str:
    counts, name, total = comparison.summary(), comparison.expected.name, len(comparison.rows)
    extra = f"; {counts['extra']} extra" if counts["extra"] else ""
    if not total:
        return f"{name}: nothing to compare, no expected value is in scope{extra}"
    if counts["missing"] == total:
        return f"{name}: nothing of it is in the results, all {total} expected values are missing{extra}"
    parts = [f"{counts[verdict]} {verdict}" for verdict in VERDICTS]
    parts += [f"{counts['no tolerance']} without a tolerance"] if counts["no tolerance"] else []
    return f"{name}: {total} expected values, {', '.join(parts)}{extra}"
