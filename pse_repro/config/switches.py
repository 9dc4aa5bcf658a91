"""What the fourteen switches are: where slides and released code differ, in words and values, and where it was read."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Switch:
    """One line of the study's list; `described` and `released` are its values in the two protocols."""

    number: int
    key: str
    title: str
    slides: str
    code: str
    read: str
    described: Any
    released: Any
    otherwise: Any = None  # where both protocols have the same value

    def turned(self, value: Any) -> Any:
        """The value it has when it is turned from `value`."""
        if self.described == self.released:
            return self.otherwise if value == self.released else self.released
        return self.described if value == self.released else self.released


@cache
def all_switches() -> tuple[Switch, ...]:
    """The fourteen, in their order."""
    described, released = (_toml(f"protocols/{name}.toml")["switches"] for name in ("as-described", "as-released"))
    return tuple(
        Switch(number, key, **words, described=described[key], released=released[key])
        for number, (key, words) in enumerate(_toml("config/switches.toml").items(), 1)
    )


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((files("pse_repro") / name).read_text(encoding="utf-8"))
