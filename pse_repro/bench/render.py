"""Results of a bench as text: table and Markdown for people, CSV and JSON for programs."""

from typing import Any

import pandas as pd
from tabulate import tabulate

from pse_repro.bench.result import Measured, Result, Spread
from pse_repro.bench.rows import STRAIGHTFORWARD
from pse_repro.errors import UsageError

FORMATS = ("table", "markdown", "csv", "json")
_HEADER = ("group", "row", "form", "precision", "time", "per second", "speed-up", "memory", "of matrix rate")
_RATIOS_HEADER = ("our time per image / time per image of", "precision", "ratio")


def render(result: Result, format: str) -> str:
    """Return the result in one of FORMATS; csv has only the rows. Raises UsageError for another format."""
    if format == "json":
        return result.as_json()
    if format == "csv":
        return pd.DataFrame(map(_record, result.rows)).to_csv(index=False, lineterminator="\n").rstrip("\n")
    if format not in FORMATS:
        raise UsageError(f"format is {format!r}; expected one of {', '.join(FORMATS)}")
    style = "pipe" if format == "markdown" else "simple"
    parts = [tabulate(map(_line, result.rows), _HEADER, style, disable_numparse=True)]
    if result.ratios:
        lines = [(ratio.name, ratio.precision, _spread(ratio.value, ".3g")) for ratio in result.ratios]
        parts.append(tabulate(lines, _RATIOS_HEADER, style, disable_numparse=True))
    return "\n\n".join([*parts, _conditions(result)])


def _record(row: Measured) -> dict[str, Any]:
    speedup = row.speedup or Spread(float("nan"), float("nan"), float("nan"))
    return {
        **{name: getattr(row, name) for name in ("group", "row", "form", "precision", "unit", "count")},
        "rounds": len(row.rounds),
        **{f"seconds_{name}": value for name, value in vars(row.seconds).items()},
        **{name: getattr(row, name) for name in ("warm_up_seconds", "per_second", "peak_memory_bytes", "flops")},
        "matrix_rate_share": row.matrix_rate_share,
        **{f"speedup_{name}": value for name, value in vars(speedup).items()},
    }


def _line(row: Measured) -> tuple[str, ...]:
    own = row.speedup is None or row.form == STRAIGHTFORWARD
    return (
        *(row.group, row.row, row.form, row.precision),
        _time(row.seconds),
        f"{row.per_second:,.{0 if row.per_second >= 10 else 3}f} {row.unit}",
        "" if own or row.speedup is None else _spread(row.speedup, ".2f"),
        "" if row.peak_memory_bytes is None else f"{row.peak_memory_bytes / 1e6:,.0f} MB",
        "" if row.matrix_rate_share is None else f"{row.matrix_rate_share:.1%}",
    )


def _time(seconds: Spread) -> str:
    if seconds.median >= 10:
        return f"{_spread(seconds, '.1f')} s"
    thousandths = Spread(*(1e3 * value for value in vars(seconds).values()))
    return f"{_spread(thousandths, '.1f')} ms"


def _spread(spread: Spread, format: str) -> str:
    """Return median (quartiles)."""
    return f"{spread.median:{format}} ({spread.lower_quartile:{format}} .. {spread.upper_quartile:{format}})"


def _conditions(result: Result) -> str:
    place, versions = result.place, result.versions
    rates = ", ".join(f"{precision} {rate / 1e9:,.0f} GFLOP/s" for precision, rate in result.matrix_rates.items())
    rounds = max((len(row.rounds) for row in result.rows), default=0)
    processor = "" if place.device == "cpu" else f", {place.processor}"
    load = ", ".join(f"{value:.2f}" for value in place.load_average)
    lines = (
        "Quick: tiny sizes, one round; these figures are meaningless." if result.quick else "",
        f"{result.date}, {place.name}{processor}, {place.cores:g} cores, {place.threads} threads, load at the start "
        f"{load}; torch {versions.get('torch')}, torchvision {versions.get('torchvision')}, "
        f"kornia {versions.get('kornia') or 'missing (extra bench), its row omitted'}; images: {result.data}.",
        f"Median (quartiles) of {rounds} rounds after a warm-up. Speed-up: over the straightforward form, round by "
        f"round. Measured matrix products: {rates}.",
        f"Memory: {result.memory_means}.",
    )
    return "\n".join(line for line in lines if line)
