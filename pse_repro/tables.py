"""The long table of results and of expected values: one value per row, keyed by model, evaluation, fold and metric.

    protocol, encoder, objective, sigma, seed, evaluation, fold, metric, value [, study, data, device, precision, scale]

Keys and conditions are strings in memory, so that joins never fail on `3` against `3.0`; an empty string means "none"
(the sigma of mse, the fold of pre-training) or "unknown" (a condition). `value` is a float, in percent for top1, top2
and top4.
"""

import csv
import io
import os
import re
import shlex
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pse_repro.errors import UsageError
from pse_repro.files import decoded, read_regular, write_bytes
from pse_repro.text import CONTROL

PERCENTAGES = frozenset({"top1", "top2", "top4"})

KEY = ("protocol", "encoder", "objective", "sigma", "seed", "evaluation", "fold", "metric")
CONDITIONS = ("study", "data", "device", "precision", "scale")
REQUIRED = ("encoder", "objective", "evaluation", "fold", "metric", "value")
# Assumed for columns that a table lacks; other missing columns are unknown (empty).
DEFAULTS = {"protocol": "as-released", "seed": "0", "data": "stl10", "scale": "full"}

_WITH_SIGMA = ("pse", "blurred-mse", "highpass-mse")  # objectives of which a table without sigma would be ambiguous
_NUMBERS = frozenset({"sigma", "seed", "fold"})  # a fold may also be a word: ensemble
_EMPTY = frozenset({"", "nan", "none", "<na>", "null"})  # spellings of "no number", in lower case
_MAX_BYTES = 1 << 29  # of a table: the largest runs have some 200 MB
_DECIMAL = frozenset({"value", "sigma"})
_PREAMBLE = re.compile(r"(?:[ \t]*(?:#[^\r\n]*|\"?sep=.\"?)?[ \t]*(?:\r\n|\r|\n))*", re.IGNORECASE)
_NOT_A_TABLE = {"<": "HTML or XML", "{": "JSON", "[": "JSON"}


def plain_cell(column: str, value: object) -> str:
    """Return a key or condition in canonical form, as a string.

    Sigma, seed and fold: `3`, `3.0` and `"3.00"` become `"3"`, NaN and None become `""`, a word (ensemble) is kept. In
    other columns NaN and None become `""`.
    """
    missing = value is None or value is pd.NA or value != value  # NaN differs from itself
    text = "" if missing else str(value).strip()
    if column not in _NUMBERS:
        return text
    if text.lower() in _EMPTY:
        return ""
    try:
        number = _number(text)
        return str(int(number)) if number.is_integer() else repr(number)
    except ValueError:
        return text


def as_table(frame: pd.DataFrame, name: str = "table") -> pd.DataFrame:
    """Check a frame against the long form and return it complete: keys and conditions as strings, values as floats.

    Absent columns, and empty cells of columns that have a default, are filled; `attrs["assumed"]` maps each such column
    to the value used (`""`: unknown). Other columns are kept unchanged. The function is idempotent.

    Raises:
        UsageError: a required column is absent, a value, sigma or fold is not a number, or a key occurs twice.
    """
    _check_columns(frame, name)
    before: dict[str, str] = frame.attrs.get("assumed", {})
    assumed: dict[str, str] = {}
    # The position of each row for error messages: its line if read_table has set it, else its number from 1.
    lines = list(frame.attrs.get("lines", ())) or [f"row {row}" for row in range(1, len(frame) + 1)]
    columns: dict[Any, Any] = {}
    for column in (*KEY, *CONDITIONS):
        default = DEFAULTS.get(column, "")
        cells = [plain_cell(column, cell) for cell in frame[column]] if column in frame else [""] * len(frame)
        # Filled in now, or earlier and not overwritten since (pandas copies attrs to derived frames).
        if column not in frame or (default and "" in cells) or (column in before and before[column] in cells):
            assumed[column] = default
        columns[column] = [cell or default for cell in cells]
    columns["value"] = [_value(cell, line, name) for cell, line in zip(frame["value"], lines, strict=True)]
    others = {column: frame[column].tolist() for column in frame.columns if column not in columns}
    table = pd.DataFrame(columns | others)
    for column in (*KEY, *CONDITIONS, "value"):  # pandas cannot infer the types of an empty table
        table[column] = table[column].astype(float if column == "value" else object)
    _check_sigma(table, lines, name)
    _check_folds(table, lines, name)
    _check_unique(table, lines, name)
    table.attrs["assumed"] = assumed
    return table


def read_table(path: str | os.PathLike[str], read: Callable[[Path], bytes] | None = None) -> pd.DataFrame:
    """Read a CSV of the long form, from the kit or from elsewhere, and check it (see `as_table`).

    Columns may be separated by semicolons or tabs instead, with decimal commas, and named in capitals. Lines before the
    header are passed over if they begin with # or are Excel's "sep=;". `read` returns the contents of the file
    (default: of any regular file).

    Raises:
        UsageError: the file cannot be read, is empty, is not a table, or is not of the long form.
    """
    name = os.fspath(path)
    rows, separator = _parse(_text(Path(path), read or _regular), name)
    header = [_column(cell.strip()) for cell in rows[0][1]]
    for column in header:
        if header.count(column) > 1:
            raise UsageError(f"{name} has the column {column or '(no name)'!r} twice; expected each column once")
    cells = []
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise UsageError(
                f"{name}, line {line}: found {len(row)} fields, expected {len(header)} as in the header; "
                "add what is missing, and put text that has commas in quotes"
            )
        if control := next((cell for cell in row if CONTROL.search(cell)), None):
            raise UsageError(f"{name}, line {line}: found a control character in {control[:40]!r}; leave it out")
        cells.append([cell.strip() for cell in row])
    frame = pd.DataFrame(cells, columns=pd.Index(header), dtype=object)
    for column in _DECIMAL & set(header) if separator != "," else ():
        frame[column] = frame[column].str.replace(",", ".")
    frame.attrs["lines"] = [f"line {line}" for line, _ in rows[1:]]
    return as_table(frame, name)


def write_table(
    frame: pd.DataFrame, path: str | os.PathLike[str], write: Callable[[Path, bytes], None] = write_bytes
) -> None:
    """Write a table as CSV by `write`, which is atomic (temporary file, then rename); values keep every digit.

    Only columns of the frame are written, so that assumed values are not recorded as if they had been stated.

    Raises:
        UsageError: the frame is not of the long form.
    """
    target = Path(path)
    table = as_table(frame, target.name)
    known = [column for column in (*KEY, "value", *CONDITIONS) if column in frame]
    others = [column for column in frame.columns if column not in known]
    text = table[[*known, *others]].to_csv(index=False, na_rep="nan", lineterminator="\n")
    write(target, text.encode())


def _regular(path: Path) -> bytes:
    return read_regular(path, _MAX_BYTES)


def _text(path: Path, read: Callable[[Path], bytes]) -> str:
    try:
        content = read(path)
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist; give the path of a CSV table or of a run") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); give the path of a CSV table") from None
    text = decoded(content, path)
    if not text.strip():
        raise UsageError(f"{path} is empty; expected a CSV table with the columns {', '.join(REQUIRED)}")
    if kind := _NOT_A_TABLE.get(text.lstrip()[0]):
        raise UsageError(f"{path} looks like {kind}; expected a CSV table with the columns {', '.join(REQUIRED)}")
    return text


def _parse(text: str, name: str) -> tuple[list[tuple[int, list[str]]], str]:
    """Return (line number, fields) of each line from the header on that is not blank, and what separates the fields.

    A text without a header gives one line without fields.
    """
    before = _PREAMBLE.match(text)
    start, first = (before.end(), len(before[0].splitlines())) if before else (0, 0)
    separator = max(",;\t", key=(text[start:].splitlines() or [""])[0].count)  # the first of equals: a comma
    reader = csv.reader(io.StringIO(text[start:], newline=""), delimiter=separator)
    try:
        rows = [(first + reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UsageError(f"{name}, line {first + reader.line_num}: {error}; expected a CSV table") from None
    return rows or [(1, [])], separator


def _column(name: str) -> str:
    """Return a column's name; in small letters if it is one of the long form."""
    small = name.casefold()
    return small if small in (*KEY, *CONDITIONS, "value") else name


def _check_columns(frame: pd.DataFrame, name: str) -> None:
    absent = [column for column in REQUIRED if column not in frame]
    if (
        "sigma" not in frame
        and "objective" in frame
        and frame["objective"].astype(str).str.lower().isin(_WITH_SIGMA).any()
    ):
        absent.append("sigma")
    if not absent:
        return
    found = [str(column) for column in frame.columns]
    what = f"{name} lacks the column(s) {', '.join(absent)} (found: {', '.join(found[:20]) or 'none'})"
    metrics = [column for column in found if column.casefold() in PERCENTAGES]
    if not metrics or "value" not in absent:
        raise UsageError(f"{what}; add them, one value per row")
    others = [column for column in found if column not in metrics]
    melt = f"pd.read_csv({name!r}).melt({others}, {metrics}, 'metric').to_csv('long.csv', index=False)"
    raise UsageError(f"{what}; for one value per row: python -c {shlex.quote(f'import pandas as pd; {melt}')}")


def _number(text: str) -> float:
    if "_" in text:  # Python accepts 1_000 as a number, but no table uses this notation
        raise ValueError(text)
    return float(text)


def _value(cell: object, line: str, name: str) -> float:
    try:
        return _number(str(cell).strip())
    except ValueError:
        found = repr(str(cell)[:40]) if str(cell).strip() else "nothing"
        begins = re.match(r"[-+]?\d+(\.\d+)?(?=\s*[%±(+])", str(cell).strip())
        alone = f"only the number: {begins[0]}" if begins else "a number (or nan)"
        raise UsageError(f"{name}, {line}: value is {found}; expected {alone}") from None


def _check_sigma(table: pd.DataFrame, lines: list[str], name: str) -> None:
    for sigma, line in zip(table["sigma"], lines, strict=True):
        try:
            _number(sigma or "0")
        except ValueError:
            raise UsageError(f"{name}, {line}: sigma is {sigma[:40]!r}; expected a number, or empty for mse") from None


def _check_folds(table: pd.DataFrame, lines: list[str], name: str) -> None:
    for fold, line in zip(table["fold"], lines, strict=True):
        try:
            number = _number(fold)
        except ValueError:  # none, or a word: ensemble
            continue
        if number < 1 or not number.is_integer():
            raise UsageError(f"{name}, {line}: fold is {fold}; folds count from 1, in whole numbers")


def _check_unique(table: pd.DataFrame, lines: list[str], name: str) -> None:
    twice = table.duplicated(list(KEY))
    if not twice.any():
        return
    row = int(twice.to_numpy().argmax())
    key = ", ".join(f"{column}={table[column].iloc[row]}" for column in KEY if table[column].iloc[row])
    seeds = ", or add the column seed if they are of several seeds" if set(table["seed"]) == {DEFAULTS["seed"]} else ""
    raise UsageError(
        f"{name}, {lines[row]}: a second value for {key}; expected one value per key, keep one of them{seeds}"
    )


def model_id(cell: Mapping[Hashable, Any]) -> str:
    """Name the model of a row as studies and files do: cnn-mse, resnet-pse-3."""
    return "-".join(str(cell[column]) for column in ("encoder", "objective", "sigma") if cell[column])


def model_name(encoder: str, objective: str, sigma: str) -> str:
    """Name a model as the slides do: CNN-MSE, ResNet-PSE-3; with a label, "mse+slow": CNN-MSE (slow)."""
    objective, _, label = objective.partition("+")
    encoder = {"cnn": "CNN", "resnet": "ResNet", "pixels": "Pixels", "pca": "PCA-256"}.get(encoder, encoder)
    name = "-".join(part for part in (encoder, "" if objective == "none" else objective.upper(), sigma) if part)
    return f"{name} ({label})" if label else name
