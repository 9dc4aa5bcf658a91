"""Compare results with expected values: a join on the cell, and a verdict for each.

A cell is encoder, objective, sigma, evaluation, fold and metric. Protocol, data and scale are conditions of a table:
a measured value made under others is shown but "not comparable". Seeds are averaged.
"""

import math
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pse_repro.errors import UsageError
from pse_repro.expected import CELL, ExpectedTable, Tolerance
from pse_repro.tables import KEY, as_table, plain_cell

Rule = Literal["cut", "rounded"]
VERDICTS = ("within", "outside", "missing", "not comparable")  # "" is a fifth: the metric has no tolerance
COLUMNS = (
    *("protocol", *CELL, "expected", "measured", "difference"),
    *("tolerance", "verdict", "reason", "source", "note", "seeds"),
)
# Switch 13, for tables that come without their protocol's file; protocols not named here round.
PRINT_RULES: Mapping[str, Rule] = {"as-released": "cut", "initial": "cut"}
PERCENTAGES = frozenset({"top1", "top2", "top4"})
_DIGITS = 9  # differences are rounded here, so that 51.26 + 2.0 is within 2.0 of 51.26 whatever floats say


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
    if expected.printed and cell["fold"] == "ensemble" and cell["metric"] in PERCENTAGES:
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
