"""`~` in paths. Shells leave it alone after `--data=` and in most variables, and then a folder of that name is made."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pse_repro.errors import UsageError


def with_home(function: Callable[..., None]) -> Callable[..., None]:
    """A command of which every path and text that begins with `~` or `~user` is expanded, as a shell does it."""

    @functools.wraps(function)
    def command(**given: Any) -> None:
        function(**{name: _expanded(value) for name, value in given.items()})

    return command


def _expanded(value: Any) -> Any:
    if isinstance(value, list):
        return [_expanded(each) for each in value]
    if type(value) is not str and not isinstance(value, Path):  # an Enum's member is a text, too
        return value
    expanded = os.path.expanduser(value)
    if expanded.split(os.sep)[0] == "~":
        raise UsageError(f"{value}: no home folder is known; set HOME, or write the path without ~")
    return type(value)(expanded)
