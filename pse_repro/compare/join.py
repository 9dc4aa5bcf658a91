"""Comparison of results with expected values: a join on the cell, with a verdict for each.

A cell is identified by encoder, objective, sigma, evaluation, fold and metric. Protocol, data and scale are conditions
of a table: a value measured under other conditions is listed, but "not comparable". Seeds are averaged, which narrows
the tolerance. A value within it that would be within the tolerance of the other loss's value, too, does not
discriminate: it fits the study's finding and no effect alike. The verdict on the whole table is that of chance.py, that
on the study's own finding, the differences between the losses, that of differences.py.
"""

import math
from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pse_repro.compare.chance import TableVerdict, judge_table
from pse_repro.compare.differences import Difference, differences_between_losses
from pse_repro.errors import UsageError
from pse_repro.expected import CELL, ExpectedTable
from pse_repro.stats import mean_interval
from pse_repro.tables import KEY, PERCENTAGES, as_table, plain_cell

Rule = Literal["cut", "rounded"]
FITS_RIVAL = "does not discriminate: the other loss's number is within this tolerance, too"
VERDICTS = ("within", "outside", "missing", "not comparable")  # besides "": the metric has no tolerance
COLUMNS = (
    *("protocol", *CELL, "expected", "measured", "low", "high", "difference"),
    *("tolerance", "verdict", "rival", "discriminates", "reason", "source", "note", "seeds"),
)
# Switch 13, for tables without a protocol file; protocols not listed here round.
PRINT_RULES: Mapping[str, Rule] = {"as-released": "cut", "initial": "cut"}
_DIGITS = 9  # decimals that differences are rounded to, so that 51.26 + 2.0 is within 2.0 of 51.26 despite float error


@dataclass(frozen=True)
class Unknown:
    """An unrecognised word in a column of a table, with the expected words and the closest known one, or ""."""

    column: str
    word: str
    expected: tuple[str, ...]
    meant: str
    rows: int = 0

    def __str__(self) -> str:
        hint = f" (did you mean {self.meant}?)" if self.meant else ""
        return f"{self.column} is {self.word[:40]!r}; expected {', '.join(filter(None, self.expected))}{hint}"


@dataclass(frozen=True, eq=False)
class Comparison:
    """Result of `compare`.

    `rows` has COLUMNS, one row per cell; `whole` is the verdict on all of them, `differences` are those between the
    losses. `extra` holds results without an expected value; `assumed` maps columns that the results lack to the default
    taken. For a table from elsewhere, `unknown` lists its unrecognised words and `ignored` counts the rows that were
    dropped because of them.
    """

    rows: pd.DataFrame
    whole: TableVerdict
    differences: list[Difference]
    extra: pd.DataFrame
    expected: ExpectedTable
    assumed: Mapping[str, str]
    unknown: tuple[Unknown, ...] = ()
    ignored: int = 0

    def summary(self) -> dict[str, int]:
        """Count the rows of each verdict, those that do not discriminate, without a tolerance, extra and ignored."""
        counts = Counter(self.rows["verdict"])
        return {
            **{verdict: counts[verdict] for verdict in VERDICTS},
            "does not discriminate": int((self.rows["discriminates"] == False).sum()),  # noqa: E712 - None is neither
            "no tolerance": counts[""],
            "extra": len(self.extra),
            "ignored": self.ignored,
        }

    def exit_status(self, strict: bool = False) -> int:
        """Return 1 if the table is not reproduced, else 0; strict: also if a value is not within, or was ignored."""
        bad = ("outside", "missing", "not comparable", "ignored")
        return int(self.whole.verdict == "not reproduced" or (strict and any(self.summary()[name] for name in bad)))


def compare(
    results: pd.DataFrame,
    expected: ExpectedTable,
    *,
    scope: pd.DataFrame | None = None,
    print_rules: Mapping[str, Rule] = PRINT_RULES,
) -> Comparison:
    """Join results with expected values: one row for each expected cell and each protocol in the results.

    `scope` limits which cells can be missing: a frame with some of the columns protocol, encoder, objective, sigma,
    evaluation, fold, metric, one row per combination. `print_rules` maps protocols to how they print ensemble scores.

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
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return Comparison(
        rows=frame,
        whole=judge_table(frame, expected),
        differences=differences_between_losses(frame, relevant, expected),
        extra=relevant.loc[sorted(unmatched)].reset_index(drop=True),
        expected=expected,
        assumed=dict(results.attrs["assumed"]),
    )


def printed_percent(value: float, rule: Rule) -> float:
    """Cut or round (half up) a percentage to two decimals, ignoring float error; return other numbers unchanged.

    Switch 13: the released code cuts, so that 51.4375 is printed as 51.43.
    """
    if not 0 <= value <= 100:
        return value
    hundredths = round(value * 100, 6)  # 28.999999999996 is 29
    return math.floor(hundredths if rule == "cut" else hundredths + 0.5) / 100


class _Scope:
    """The cells that a run is meant to measure; without a frame, all cells."""

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
    """Compare one cell; `group` holds its measured values, one per seed, or is None if there are none."""
    tolerance, rival = expected.tolerance(cell), expected.rival(cell)
    values = [] if group is None else [float(value) for value in group["value"]]
    if expected.printed and cell["fold"] == "ensemble" and cell["metric"] in PERCENTAGES:
        values = [printed_percent(value, rule) for value in values]
    measured = round(sum(values) / len(values), _DIGITS) if values else math.nan
    interval = mean_interval(values) if len(values) > 1 and all(map(math.isfinite, values)) else None
    accepted = math.nan if tolerance is None else tolerance.at(max(1, len(values)))
    if group is None:
        verdict, reason = "missing", ""
    elif reason := _other_conditions(group, expected.conditions):
        verdict = "not comparable"
    elif tolerance is None:
        verdict, reason = "", "no tolerance"
    elif not math.isfinite(measured):
        verdict, reason = "outside", f"measured value is {measured}"
    else:
        verdict = "within" if _distance(measured, cell["value"]) <= accepted else "outside"
    fits_rival = verdict == "within" and _distance(measured, rival) <= accepted
    reason = FITS_RIVAL if fits_rival else reason
    return {
        **{column: cell[column] for column in (*CELL, "source", "note")},
        "protocol": protocol,
        "expected": cell["value"],
        "measured": measured,
        "low": math.nan if interval is None else interval.low,
        "high": math.nan if interval is None else interval.high,
        "difference": round(measured - cell["value"], _DIGITS) + 0.0,  # no "-0"
        "tolerance": accepted,
        "verdict": verdict,
        "rival": rival,
        "discriminates": not fits_rival if verdict == "within" and not math.isnan(rival) else None,
        "reason": reason,
        "seeds": len(values),
    }


def _other_conditions(group: pd.DataFrame, conditions: Mapping[str, str]) -> str:
    """Describe the conditions in which the measured values differ from the expected one; empty if there are none."""
    reasons = []
    for column, wanted in conditions.items():
        found = sorted(set(group[column]) - {wanted}) if column in group else [""]
        if found:
            reasons.append(f"{column} is {' and '.join(value or 'unknown' for value in found)}, not {wanted}")
    return "; ".join(reasons)


def _distance(measured: float, value: float) -> float:
    return abs(round(measured - value, _DIGITS))
