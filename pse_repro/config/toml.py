"""Dataclasses from tables of plain values, as TOML and JSON hold them: a wrong key or value is refused by its name."""

import dataclasses
import difflib
import math
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pse_repro.errors import UsageError


def build(cls: Any, table: Any, where: str) -> Any:
    """The dataclass `cls` from a TOML table: unknown keys, missing keys and wrong values are refused by name."""
    if not isinstance(table, dict):
        raise UsageError(f"{where}: found {table!r}; expected a table of keys")
    refuse_unknown(table, cls, where)
    hints = get_type_hints(cls)
    values = {}
    for item in dataclasses.fields(cls):
        if item.name in table:
            values[item.name] = _value(table[item.name], hints[item.name], f"{where}: {item.name}")
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise UsageError(f"{where}: key {item.name!r} is missing")
    return cls(**values)


def refuse_unknown(table: dict[str, Any], cls: Any, where: str) -> None:
    """UsageError for the first key that is no field of the dataclass."""
    known = [item.name for item in dataclasses.fields(cls)]
    for key in table:
        if key not in known:
            raise UsageError(f"{where}: unknown key {key!r}; expected {', '.join(known)}{hint_at(key, known)}")


def _value(value: Any, hint: Any, where: str) -> Any:
    """`value` as the type `hint` asks for; UsageError with the key's name in `where` if it is not of that type."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):  # X | None
        if value is None:
            return None
        return _value(value, next(option for option in get_args(hint) if option is not type(None)), where)
    if origin is Literal:
        if value in get_args(hint):
            return value
        expected = (
            "one of " + ", ".join(map(str, get_args(hint))) + hint_at(str(value), [str(a) for a in get_args(hint)])
        )
    elif origin is tuple:
        if isinstance(value, list):
            return tuple(_value(item, get_args(hint)[0], where) for item in value)
        expected = "a list"
    elif dataclasses.is_dataclass(hint):
        return build(hint, value, where)
    elif hint is float and type(value) in (int, float):
        return float(value)
    elif type(value) is (origin or hint):
        return value
    else:
        expected = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}.get(hint, "a table")
    raise UsageError(f"{where} is {value!r}; expected {expected}")


def positive(table: Any, where: str, but: tuple[str, ...] = ()) -> None:
    """UsageError for the first number of a dataclass, but for the fields named, that is not finite and above 0."""
    for item in dataclasses.fields(table):
        value = getattr(table, item.name)
        # what is between, rather than what is not: NaN is refused too
        if type(value) in (int, float) and item.name not in but and not 0 < value < math.inf:
            raise UsageError(f"{where}: {item.name} is {value}; expected a finite number above 0")


def hint_at(found: str, known: Sequence[str]) -> str:
    """What was probably meant, as the end of an error; empty where nothing is close."""
    meant = closest(found, known)
    return f" (did you mean {meant}?)" if meant else ""


def closest(found: str, known: Sequence[str]) -> str:
    """The known word that was probably meant, whatever its capitals; empty where nothing is close."""
    by_small = {word.casefold(): word for word in known}
    close = difflib.get_close_matches(found.casefold(), list(by_small), n=1)
    return by_small[close[0]] if close else ""


def builtin(kind: Literal["protocols", "studies"]) -> list[str]:
    """Names of the protocols or studies that come with the kit."""
    return sorted(
        entry.name.removesuffix(".toml") for entry in (files("pse_repro") / kind).iterdir() if entry.is_file()
    )


def check_name(name: str, where: str) -> None:
    """Names of studies and protocols become folders."""
    if not name or name.startswith(".") or "/" in name or "\\" in name:
        raise UsageError(f"{where}: name is {name!r}; expected a word without slashes that does not begin with a dot")


def read_toml(name_or_path: str, kind: Literal["protocols", "studies"], noun: str) -> tuple[str, dict[str, Any]]:
    path = Path(name_or_path)
    known = builtin(kind)
    if name_or_path in known:
        path = Path(str(files("pse_repro") / kind / f"{name_or_path}.toml"))
    elif path.suffix != ".toml":
        hint = hint_at(name_or_path, known)
        raise UsageError(f"{noun} is {name_or_path!r}; expected one of {', '.join(known)}, or a .toml file{hint}")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{noun} file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{noun} file {path} is not TOML: {error}") from error
    return f"{noun} {name_or_path}", table
