"""Rendering of a comparison for people (table, Markdown, HTML), papers (LaTeX) and programs (CSV, JSON)."""

import html
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
from tabulate import tabulate

from pse_repro.claims import HEADER, ClaimResult, as_json, claims_table, render_claims, too_few_seeds
from pse_repro.compare.chance import TableVerdict
from pse_repro.compare.differences import Difference
from pse_repro.compare.join import VERDICTS, Comparison
from pse_repro.errors import UsageError
from pse_repro.tables import PERCENTAGES, model_name
from pse_repro.text import NONE, table, to_json

FORMATS = ("table", "markdown", "csv", "json", "latex", "html")
DIFFERENCES_HEADER = (
    *("PSE minus MSE, points", "evaluation", "published", "measured"),
    *("95 % interval", "tolerance", "seeds", "verdict"),
)
DIFFERENCES_ALIGN = "llrrrrrl"
_SHOWN = 5  # maximum number of extra values, cells of a note and unrecognised words listed for people


def render(
    comparison: Comparison, format: str = "table", claims: Sequence[ClaimResult] = (), details: bool = False
) -> str:
    """Render a comparison, and the claims tested on the same run, as text.

    csv contains only the comparison's rows, json everything (schemas/comparison.schema.json). With `details`, table and
    markdown also list every part and seed of the claims.

    Raises:
        UsageError: unknown format.
    """
    if format == "csv":
        return comparison.rows.to_csv(index=False, lineterminator="\n")
    if format == "json":
        return _json(comparison, claims)
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}; expected one of {', '.join(FORMATS)}")
    style = {"table": "simple", "markdown": "pipe", "latex": "latex_booktabs", "html": "html"}[format]
    tables, lines = _tables(comparison, style), _lines(comparison)
    if format in ("markdown", "table"):
        separator = "\n\n" if format == "markdown" else "\n"
        return separator.join([*tables, *lines, *_claims_for_people(claims, format, details)])
    shown = [f"% {line}" if format == "latex" else f"<p>{html.escape(line)}</p>" for line in lines]
    return "\n".join([*tables, *shown, *_claims(claims, style)])


def _claims_for_people(claims: Sequence[ClaimResult], format: str, details: bool) -> list[str]:
    if claims and not details and (few := too_few_seeds(claims)):
        return [
            f"claims: {len(claims)} could be tested, but {few} cannot decide any; `pse-repro plan` says how many can"
        ]
    return ["", render_claims(claims, format, details)] if claims else []


def _claims(claims: Sequence[ClaimResult], style: str) -> list[str]:
    return [tabulate(claims_table(claims), HEADER, style, disable_numparse=True)] if claims else []


def _json(comparison: Comparison, claims: Sequence[ClaimResult]) -> str:
    expected = comparison.expected
    document = {
        "expected": {part: getattr(expected, part) for part in ("name", "title", "author", "date", "url", "notes")},
        "summary": comparison.summary(),
        "whole": whole_as_json(comparison.whole),
        "differences": [asdict(difference) for difference in comparison.differences],
        "rows": _records(comparison.rows),
        "extra": _records(comparison.extra),
        "unknown": [asdict(unknown) | {"meant": unknown.meant or None} for unknown in comparison.unknown],
        "assumed": dict(comparison.assumed),
        "claims": as_json(claims),
    }
    return to_json(document)


def whole_as_json(whole: TableVerdict) -> dict[str, Any]:
    """Return the verdict on all numbers together for to_json, with None for no verdict."""
    return asdict(whole) | {"verdict": whole.verdict or None, "reason": whole.reason}


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Return the rows for to_json, with None for an empty verdict."""
    rows = frame.astype(object).to_dict("records")
    return [
        {str(column): None if (column, value) == ("verdict", "") else value for column, value in row.items()}
        for row in rows
    ]


def _lines(comparison: Comparison) -> list[str]:
    """Return the lines below the tables: footnotes to verdicts, notes, extra values, assumptions, summary, verdict."""
    rows, whole = comparison.rows, comparison.whole
    lines = [f"[{number}] {reason}" for number, reason in enumerate(_reasons(rows), 1)]
    noted: dict[str, list[str]] = {}
    for row in _rows(rows):
        for note in notes_of(row):
            noted.setdefault(note, []).append(cell_name(row))
    lines += [f"note: {_list(cells)}: {note}" for note, cells in noted.items()]
    lines += [f"note: {note}" for note in comparison.expected.notes]
    if len(comparison.extra):
        found = (f"{cell_name(row)} = {row['value']:.6g}" for row in _rows(comparison.extra))
        lines.append(f"extra, not expected: {_list(found)}")
    lines += [f"ignored, {_of_rows(unknown.rows)}: {unknown}" for unknown in comparison.unknown[:_SHOWN]]
    if len(comparison.unknown) > _SHOWN:
        lines.append(f"ignored for {len(comparison.unknown) - _SHOWN} other unrecognised words")
    lines += [*_assumed(comparison.assumed), _summary_line(comparison)]
    missing = comparison.summary()["missing"]
    which = f"the {whole.compared} numbers present together" if missing else "all numbers together"
    return [*lines, f"{which}: {whole.verdict or 'no verdict'} ({whole.reason})"]


def _reasons(rows: pd.DataFrame) -> list[str]:
    """Return the reasons of the verdicts, which footnotes list."""
    return [reason for reason in dict.fromkeys(rows["reason"]) if reason and reason != "no tolerance"]


def _tables(comparison: Comparison, style: str) -> list[str]:
    """Return the table of the expected values and, if there are any, that of the differences between the losses."""
    reasons = _reasons(comparison.rows)

    def mark(row: Mapping[Hashable, Any]) -> str:
        return f" [{reasons.index(row['reason']) + 1}]" if row["reason"] in reasons else ""

    found = []
    header, body = comparison_cells(comparison.rows, mark)
    if body:
        numbers = len(header) - header.index("expected") - 1
        found.append(table(header, "l" * header.index("expected") + "r" * numbers + "l", body, style))
    if comparison.differences:
        found.append(table(DIFFERENCES_HEADER, DIFFERENCES_ALIGN, difference_cells(comparison.differences), style))
    return found


def difference_cells(differences: Sequence[Difference]) -> list[list[str]]:
    """Return a row of text for each difference between the losses (columns: DIFFERENCES_HEADER)."""
    return [
        [
            f"{model_name(each.encoder, 'pse', each.sigma)} - {model_name(each.encoder, 'mse', '')}", each.evaluation,
            f"{each.expected:+.2f}", f"{each.measured:+.2f}", shown_interval(each.low, each.high, "top1"),
            f"{each.tolerance:.3g}", str(each.seeds), _with_discrimination(each),
        ]
        for each in differences
    ]  # fmt: skip


def _with_discrimination(difference: Difference) -> str:
    """Return the verdict, and whether no effect would be within as well, or the published pair is too noisy."""
    if difference.verdict == "within" and not difference.discriminates:
        return "within, does not discriminate"
    if difference.verdict == "undecided" and not difference.decidable:
        return "undecided: published pair too noisy"
    return difference.verdict


def comparison_cells(
    rows: pd.DataFrame, mark: Callable[[Mapping[Hashable, Any]], str]
) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a comparison as text; `mark` gives the suffix of a row's verdict."""
    several, seeds = rows["protocol"].nunique() > 1, bool(rows["low"].notna().any())
    header = [*(["protocol"] if several else []), "model", "evaluation", "fold", "metric", "expected", "measured"]
    header += [*(["95 % interval"] if seeds else []), "difference", "tolerance", "verdict"]
    body = []
    for row in _rows(rows):
        metric, measured = row["metric"], row["seeds"] > 0
        body.append([
            *([row["protocol"]] if several else []), model_name(row["encoder"], row["objective"], row["sigma"]),
            row["evaluation"], row["fold"] or NONE, metric, shown_number(row["expected"], metric),
            shown_number(row["measured"], metric) if measured else NONE,
            *([shown_interval(row["low"], row["high"], metric)] if seeds else []),
            shown_number(row["difference"], metric, "+") if measured else NONE,
            NONE if math.isnan(row["tolerance"]) else f"{row['tolerance']:.3g}",
            (row["verdict"] or "no tolerance") + mark(row),
        ])  # fmt: skip
    return header, body


def _rows(frame: pd.DataFrame) -> Iterable[dict[Hashable, Any]]:
    return frame.to_dict("records")


def shown_number(value: float, metric: str, sign: str = "") -> str:
    """Format a number for people: two decimals for percentages, four for losses, else six significant digits."""
    digits = ".2f" if metric in PERCENTAGES else ".4f" if metric == "loss" else ".6g"
    return format(value, sign + digits)


def shown_interval(low: float, high: float, metric: str) -> str:
    """Format an interval for people; a dash if there is none."""
    return NONE if math.isnan(low) else f"{shown_number(low, metric)} to {shown_number(high, metric)}"


def notes_of(row: Mapping[Hashable, Any]) -> list[str]:
    """Split a cell's notes, which the tables of expected values separate by semicolons."""
    return [note for note in row["note"].split("; ") if note]


def cell_name(row: Mapping[Hashable, Any]) -> str:
    """Name a cell for people: CNN-MSE finetune fold 1 top1."""
    fold = f"fold {row['fold']}" if str(row["fold"]).isdigit() else row["fold"]
    model = model_name(row["encoder"], row["objective"], row["sigma"])
    return " ".join(part for part in (model, row["evaluation"], fold, row["metric"]) if part)


def _list(parts: Iterable[str]) -> str:
    everything = list(dict.fromkeys(parts))
    more = [f"and {len(everything) - _SHOWN} more"] if len(everything) > _SHOWN else []
    return ", ".join([*everything[:_SHOWN], *more])


def _of_rows(count: int) -> str:
    return f"{count} row{'s' * (count > 1)}"


def _assumed(assumed: Mapping[str, str]) -> list[str]:
    filled = [f"{column} {value}" for column, value in assumed.items() if value]
    unknown = [column for column, value in assumed.items() if not value]
    lines = [f"assumed, as not stated in the results: {', '.join(filled)}"] if filled else []
    return lines + ([f"unknown, as not stated in the results: {', '.join(unknown)}"] if unknown else [])


def _summary_line(comparison: Comparison) -> str:
    counts, name, total = comparison.summary(), comparison.expected.name, len(comparison.rows)
    extra = f"; {counts['extra']} extra" if counts["extra"] else ""
    extra += f"; {_of_rows(counts['ignored'])} of the table ignored" if counts["ignored"] else ""
    if not total:
        return f"{name}: nothing to compare, no expected value is in scope{extra}"
    if counts["missing"] == total:
        return f"{name}: the results contain none of it, all {total} expected values are missing{extra}"
    parts = [f"{counts[verdict]} {verdict}" for verdict in VERDICTS]
    if counts["does not discriminate"]:
        parts[0] += f" ({counts['does not discriminate']} of them do not discriminate between the losses)"
    parts += [f"{counts['no tolerance']} without a tolerance"] if counts["no tolerance"] else []
    return f"{name}: {total} expected values, {', '.join(parts)}{extra}"
