"""Expected values: the published numbers, each with its source, its conditions and its tolerance."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from pse_repro.errors import UsageError
from pse_repro.tables import read_table

FOLDER = Path(__file__).parent
# The key that measured and expected values are joined on. Protocol, data and scale are conditions; seeds are averaged.
CELL = ("encoder", "objective", "sigma", "evaluation", "fold", "metric")
_COLUMNS = ("protocol", *CELL, "value", "source", "note")


@dataclass(frozen=True)
class Tolerance:
    """Largest accepted distance from the expected value (>= 0, in the metric's unit), and the reason for it."""

    value: float
    reason: str


@dataclass(frozen=True, eq=False)
class ExpectedTable:
    """A table of expected values.

    `frame` has the columns protocol, CELL, value, source and note, one row per cell. `conditions` maps columns of a
    measured row to their required value. `tolerances` is keyed by (evaluation, metric, fold), with an empty fold for
    every fold. `printed` is true if the ensemble scores were printed with two decimals.
    """

    name: str
    frame: pd.DataFrame
    title: str = ""
    author: str = ""
    date: str = ""
    url: str = ""
    conditions: Mapping[str, str] = field(default_factory=dict)
    tolerances: Mapping[tuple[str, str, str], Tolerance] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    printed: bool = False

    def tolerance(self, evaluation: str, metric: str, fold: str) -> Tolerance | None:
        """Return the most specific tolerance for a cell, or None if its metric is informative only."""
        return self.tolerances.get((evaluation, metric, fold)) or self.tolerances.get((evaluation, metric, ""))

    @property
    def source(self) -> str:
        """Title, author, date and URL in one line."""
        return ", ".join(part for part in (self.title, self.author, self.date, self.url) if part)


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names that `load_expected` accepts, aliases included."""
    manifest = _toml(folder / "tables.toml")
    return [*manifest, *(alias for entry in manifest.values() for alias in entry.get("aliases", []))]


@cache
def load_expected(name: str, *, folder: Path = FOLDER) -> ExpectedTable:
    """Load a table of the manifest `tables.toml` by its name or alias ("paper" is an alias of "slides").

    Read once: do not change the frame.

    Raises:
        UsageError: there is no such table.
    """
    manifest = _toml(folder / "tables.toml")
    found = [known for known, entry in manifest.items() if name == known or name in entry.get("aliases", [])]
    if not found:
        raise UsageError(f"no expected table is called {name!r}; expected one of {', '.join(names(folder))}")
    entry = manifest[found[0]]
    tolerances = _toml(folder / "tolerances.toml")
    frame = read_table(folder / entry["file"]).reindex(columns=list(_COLUMNS), fill_value="")
    frame.attrs.clear()  # published values have no seed, and the manifest states their conditions
    return ExpectedTable(
        name=found[0],
        frame=frame,
        title=entry["title"],
        author=entry["author"],
        date=entry["date"],
        url=entry["url"],
        conditions=dict(entry["conditions"]),
        tolerances=_flat(tolerances.get("default", {})) | _flat(tolerances.get(found[0], {})),
        notes=tuple(entry.get("notes", ())),
        printed=bool(entry.get("printed", False)),
    )


def _toml(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return tomllib.load(file)


def _flat(evaluations: Mapping[str, Any]) -> dict[tuple[str, str, str], Tolerance]:
    """Turn [EVALUATION.METRIC] and [EVALUATION.METRIC.FOLD] into a flat mapping."""
    flat = {}
    for evaluation, metrics in evaluations.items():
        for metric, entry in metrics.items():
            by_fold = {fold: inner for fold, inner in entry.items() if isinstance(inner, dict)}
            if "value" in entry:
                by_fold[""] = entry
            for fold, inner in by_fold.items():
                flat[evaluation, metric, fold] = Tolerance(float(inner["value"]), inner["reason"])
    return flat
