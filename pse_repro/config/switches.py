"""The fourteen switches: differences between slides and released code, in words and values, with their sources."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Switch:
    """One switch; `described` and `released` are its values in the protocols as-described and as-released."""

    number: int
    key: str
    title: str
    slides: str
    code: str
    read: str
    described: Any
    released: Any
    otherwise: Any = None  # value when turned, if both protocols have the same value

    def turned(self, value: Any) -> Any:
        """Return the value to which the switch turns from `value`."""
        if self.described == self.released:
            return self.otherwise if value == self.released else self.released
        return self.described if value == self.released else self.released


@cache
def all_switches() -> tuple[Switch, ...]:
    """Return the fourteen switches in order."""
    described, released = (_toml(f"protocols/{name}.toml")["switches"] for name in ("as-described", "as-released"))
    return tuple(
        Switch(number, key, **words, described=described[key], released=released[key])
        for number, (key, words) in enumerate(_toml("config/switches.toml").items(), 1)
    )


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((files("pse_repro") / name).read_text(encoding="utf-8"))
