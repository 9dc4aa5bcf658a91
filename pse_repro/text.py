"""Text for people (durations, rates, bytes, tables, wrapped lines) and strict JSON for programs."""

import json
import math
import re
import textwrap
from collections.abc import Sequence
from typing import Any

from tabulate import SEPARATING_LINE, tabulate

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
NONE = "-"  # placeholder in tables for a missing value


def duration(seconds: float) -> str:
    """Format a duration: 45 s, 12 min, 3.5 h, 12 days."""
    for unit, length, limit, digits in (("s", 1, 100, 0), ("min", 60, 100, 0), ("h", 3600, 72, 1)):
        if seconds < limit * length:
            return f"{seconds / length:.{digits}f} {unit}"
    return f"{seconds / 86400:,.0f} days"


def rate(per_second: float, unit: str) -> str:
    """Format a rate: 1,234 images/s, 2.3 images/s, 12.3 MB/s (unit "bytes")."""
    if unit == "bytes":
        return f"{per_second / 1e6:,.1f} MB/s"
    return f"{per_second:,.{0 if per_second >= 10 else 1}f} {unit}/s"


def amount(count: float) -> str:
    """Format bytes in decimal units, the units of disks: 2.8 GB, 133 MB."""
    return f"{count / 1e9:.1f} GB" if count >= 999_500_000 else f"{count / 1e6:.0f} MB"


def amount_of(done: int, total: int | None) -> str:
    """Format an amount of bytes in the unit of the total: 1.2 of 2.6 GB; 3.0 MB if the total is unknown."""
    scale, unit = (1e9, "GB") if (total or done) >= 1e9 else (1e6, "MB")
    return f"{done / scale:.1f} {unit}" if total is None else f"{done / scale:.1f} of {total / scale:.1f} {unit}"


def table(header: Sequence[str], align: str, rows: Sequence[Sequence[str]], style: str = "simple") -> str:
    """Format a table of text; `align` has an l or an r for each column, `style` is one of tabulate's formats."""
    sides = [{"l": "left", "r": "right"}[letter] for letter in align]
    if style == "simple":  # tabulate pads a header by two columns, but not a first row
        return tabulate([header, SEPARATING_LINE, *rows], tablefmt=style, disable_numparse=True, colalign=sides)
    if style == "pipe":
        rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return tabulate(rows, header, style, disable_numparse=True, colalign=sides)


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Break a text into lines of at most `width` characters; all but the first are indented by two more."""
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent + "  ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def visible(text: str) -> str:
    """Return the text with control characters, which a terminal may obey, escaped; line ends and tabs stay."""
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def to_json(document: Any) -> str:
    """Encode as strict JSON: numbers that are not finite become null."""
    return json.dumps(_finite(document), indent=1, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
