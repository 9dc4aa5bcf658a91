"""Where the kit keeps what outlives a run, by the XDG base directory specification."""

import os
from pathlib import Path


def data_home() -> Path:
    """STL-10's place where no --data names another: $XDG_DATA_HOME/pse-repro, ~/.local/share/pse-repro without it."""
    return _home("XDG_DATA_HOME", ".local/share")


def cache_home() -> Path:
    """What can be made again (the embedded sample): $XDG_CACHE_HOME/pse-repro, ~/.cache/pse-repro without it."""
    return _home("XDG_CACHE_HOME", ".cache")


def _home(variable: str, default: str) -> Path:
    named = os.environ.get(variable, "")
    base = (
        Path(named) if Path(named).is_absolute() else Path.home() / default
    )  # the specification: ignore relative ones
    return base / "pse-repro"
