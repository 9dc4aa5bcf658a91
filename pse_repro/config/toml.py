"""Dataclasses from tables of plain values, as in TOML and JSON; errors name the wrong key or value."""

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from pse_repro.config.limits import MAX_NAME
from pse_repro.errors import UsageError
from pse_repro.files import decoded, read_regular
from pse_repro.text import visible

T = TypeVar("T")

# Tables are converted to JSON before they are checked, since pydantic's strict mode accepts lists as tuples and tables
# as dataclasses only in JSON.
_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
_EXPECTED = {
    "dataclass_type": "a table of keys",
    "dict_type": "a table",
    "tuple_type": "a list",
    "string_type": "a text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "greater_than": "a finite number above {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "{le:,} or less",
    "too_short": "{min_length:,} or more",
    "too_long": "{max_length:,} or fewer",
}
_MAX_BYTES = 1 << 18  # of a file: ten times the longest of the kit's
_MAX_LINE = 5_000  # characters: tomllib's time grows with the square of a dotted key's parts
_SHOWN = 80  # characters of a wrong value in a message


def build(cls: type[T], table: Any, where: str) -> T:
    """Build the dataclass `cls` from a table, within the limits of its annotations (`Annotated[int, Field(gt=0)]`).

    Raises:
        UsageError: a key is unknown or missing, or a value is wrong; the message begins with `where`.
    """
    try:
        as_json = json.dumps([table], default=lambda date: [str(date)])  # a TOML date is never valid, nor is its text
    except (ValueError, RecursionError) as error:  # a whole number of thousands of digits, or thousands of brackets
        raise UsageError(f"{where}: holds what no key takes ({error}); expected a table of plain values") from error
    try:
        return _adapter(cls).validate_json(as_json)[0]  # type: ignore[arg-type] # classes are hashable
    except ValidationError as error:
        raise UsageError(_refusal(cls, error, where)) from error


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    """Return the validator of a list with one table; there the settings apply to `cls` and its nested dataclasses."""
    return TypeAdapter(tuple[cls], config=_STRICT)


def _refusal(cls: type, found: ValidationError, where: str) -> str:
    """Format the first error, but prefer an unknown key: a missing key may only be misspelt."""
    errors = found.errors(include_url=False)
    error = next((each for each in errors if each["type"] == "unexpected_keyword_argument"), errors[0])
    if error["type"] == "json_invalid":
        return f"{where}: holds what no key takes ({error['msg']}); expected a table of plain values"
    kind, value, (_, *path) = error["type"], error["input"], error["loc"]
    above = ": ".join([where, *_names(path[:-1])])
    if kind == "missing":
        return f"{above}: key {path[-1]!r} is missing"
    if kind == "unexpected_keyword_argument":
        return _unknown(str(path[-1]), _type_at(cls, path[:-1]), above)
    if kind == "literal_error":
        words = [str(word) for word in get_args(_type_at(cls, path))]
        expected = f"one of {', '.join(words)}{hint_at(str(value), words)}"
    else:
        expected = _EXPECTED.get(kind, "{msg}").format(msg=error["msg"], **error.get("ctx", {}))
    place = ": ".join([where, *_names(path)])
    return (
        f"{place} is {_shown(value)}; expected {expected}"
        if path
        else f"{where}: found {_shown(value)}; expected {expected}"
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def refuse_unknown(table: dict[str, Any], cls: type, where: str) -> None:
    """Raise UsageError for the first key that is not a field of the dataclass."""
    known = {item.name for item in dataclasses.fields(cls)}
    for key in table:
        if key not in known:
            raise UsageError(_unknown(key, cls, where))


def _unknown(key: str, cls: type, where: str) -> str:
    # The fields of a base class are keywords, and less important.
    known = [item.name for item in sorted(dataclasses.fields(cls), key=lambda item: bool(item.kw_only))]
    return f"{where}: unknown key {_shown(key)}; expected {', '.join(known)}{hint_at(key, known)}"


def _names(path: Sequence[str | int]) -> list[str]:
    """Return the keys that lead to a value; an index in a list, from 1, is joined to its key: "models 2"."""
    names: list[str] = []
    for key in path:
        if isinstance(key, int):
            names[-1] += f" {key + 1}"
        else:
            names.append(key)
    return names


def _type_at(hint: Any, path: Sequence[str | int]) -> Any:
    """Return the type of the value at `path` in the dataclass `hint`."""
    for key in path:
        hint = get_args(hint)[0] if isinstance(key, int) else get_type_hints(hint)[key]
        if type(None) in get_args(hint):
            hint = next(option for option in get_args(hint) if option is not type(None))
    return hint


def hint_at(found: str, known: Sequence[str]) -> str:
    """Return "(did you mean ...?)" to end an error message with; empty if no known word is close."""
    meant = closest(found, known)
    return f" (did you mean {meant}?)" if meant else ""


def closest(found: str, known: Sequence[str]) -> str:
    """Return the closest known word, ignoring case; empty if none is close."""
    by_small = {word.casefold(): word for word in known}
    close = difflib.get_close_matches(found.casefold(), list(by_small), n=1)
    return by_small[close[0]] if close else ""


def builtin(kind: Literal["protocols", "studies"]) -> list[str]:
    """Return the names of the built-in protocols or studies."""
    return sorted(
        entry.name.removesuffix(".toml") for entry in (files("pse_repro") / kind).iterdir() if entry.is_file()
    )


def check_name(name: str, where: str) -> None:
    """Raise UsageError unless the name of a study or protocol can be the name of a folder."""
    if not name.isprintable():
        raise UsageError(f"{where}: name is {_shown(name)}; expected printable characters alone")
    if not name or name.startswith(".") or "/" in name or "\\" in name:
        raise UsageError(
            f"{where}: name is {_shown(name)}; expected a word without slashes that does not begin with a dot"
        )
    size = len(name.encode())
    if size > MAX_NAME:
        raise UsageError(f"{where}: name is {_shown(name)}, of {size:,} bytes; expected {MAX_NAME} or fewer")


def read_toml(name_or_path: str, kind: Literal["protocols", "studies"], noun: str) -> tuple[str, dict[str, Any]]:
    """Read a built-in protocol or study by its name, or a TOML file; return a prefix for error messages and the table.

    Raises:
        UsageError: the name is unknown, or the file cannot be read or is not TOML.
    """
    path = Path(name_or_path.replace("\0", "\\0"))  # no file has a NUL in its name
    known = builtin(kind)
    if name_or_path in known:
        path = Path(str(files("pse_repro") / kind / f"{name_or_path}.toml"))
    elif path.suffix != ".toml":
        hint = hint_at(name_or_path, known)
        raise UsageError(f"{noun} is {name_or_path!r}; expected one of {', '.join(known)}, or a .toml file{hint}")
    return f"{noun} {name_or_path}", _parse(path, f"{noun} file {visible(str(path))}")


def _parse(path: Path, where: str) -> dict[str, Any]:
    """Read a TOML file within limits of size and depth; UsageError, which begins with `where`, for any other."""
    try:
        content = read_regular(path, _MAX_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise UsageError(f"{where} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    text = decoded(content, path)
    longest = max(map(len, text.splitlines()), default=0)
    if longest > _MAX_LINE:
        raise UsageError(f"{where} has a line of {longest:,} characters; expected {_MAX_LINE:,} or fewer")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise UsageError(f"{where} is not TOML of this kit: its lists or tables are nested too deeply") from error
    except ValueError as error:  # not TOML, or a whole number of thousands of digits
        raise UsageError(f"{where} is not TOML: {error}") from error
