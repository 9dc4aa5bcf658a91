"""Expansion of `~` in arguments.

Shells do not expand it after `--data=` and in most variables, so that a folder named `~` would be created.
"""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pse_repro.errors import UsageError


def with_home(function: Callable[..., None]) -> Callable[..., None]:
    """Return the command with a leading `~` or `~user` of every path and string expanded, as by a shell."""

    @functools.wraps(function)
    def command(**given: Any) -> None:
        function(**{name: _expanded(value) for name, value in given.items()})

    return command


def _expanded(value: Any) -> Any:
    if isinstance(value, list):
        return [_expanded(each) for each in value]
    if not isinstance(value, str | Path):
        return value
    expanded = os.path.expanduser(value)
    if expanded.split(os.sep)[0] == "~":
        raise UsageError(f"{value}: no home folder is known; set HOME, or write the path without ~")
    return type(value)(expanded)
