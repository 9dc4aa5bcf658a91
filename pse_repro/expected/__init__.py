"""Expected values: the published numbers, each with its source, its conditions and its tolerance."""

import math
import tomllib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from pse_repro.errors import UsageError
from pse_repro.tables import model_id, read_table

FOLDER = Path(__file__).parent
# The key that measured and expected values are joined on. Protocol, data and scale are conditions; seeds are averaged.
CELL = ("encoder", "objective", "sigma", "evaluation", "fold", "metric")
_COLUMNS = ("protocol", *CELL, "value", "source", "note")


LOSSES = ("mse", "pse")  # the two that the study compares
ANY = "any"  # encoder of a tolerance that holds for all of them
_Z = 1.96  # 95 % of a normal distribution lie within so many standard deviations


@dataclass(frozen=True)
class Tolerance:
    """Largest accepted distance from an expected value, in the metric's unit, with the reason for it.

    Either a fixed `value`, or `sd`: the standard deviation of the number over runs, of which `row_sd` is common to all
    numbers of one model and evaluation.
    """

    reason: str
    value: float = 0.0
    sd: float = 0.0
    row_sd: float = 0.0

    def at(self, seeds: int, other: int = 1) -> float:
        """Return the largest accepted distance of a mean over `seeds` runs from one over `other` runs (1 or more)."""
        return self.value or _Z * self.sd * math.sqrt(1 / seeds + 1 / other)


@dataclass(frozen=True, eq=False)
class ExpectedTable:
    """A table of expected values.

    `frame` has the columns protocol, CELL, value, source and note, one row per cell. `conditions` maps columns of a
    measured row to their required value. `tolerances` is keyed by (encoder, evaluation, metric, fold), with ANY for
    every encoder and an empty fold for every fold. `printed` is true if the ensemble scores were printed with two
    decimals.
    """

    name: str
    frame: pd.DataFrame
    title: str = ""
    author: str = ""
    date: str = ""
    url: str = ""
    conditions: Mapping[str, str] = field(default_factory=dict)
    tolerances: Mapping[tuple[str, str, str, str], Tolerance] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    printed: bool = False

    def tolerance(self, cell: Mapping[Hashable, Any]) -> Tolerance | None:
        """Return the most specific tolerance for a cell, or None if its metric is informative only."""
        encoder, evaluation, metric, fold = (str(cell[name]) for name in ("encoder", "evaluation", "metric", "fold"))
        keys = [(name, evaluation, metric, place) for place in (fold, "") for name in (encoder, ANY)]
        return next((self.tolerances[key] for key in keys if key in self.tolerances), None)

    def rival(self, cell: Mapping[Hashable, Any]) -> float:
        """Return the value expected in the place of a cell if the other loss had been used; NaN if there is none.

        For PSE it is that of MSE, for MSE the closest of PSE's. Golden values, with fixed tolerances, have none.
        """
        tolerance = self.tolerance(cell)
        if cell["objective"] not in LOSSES or tolerance is None or not tolerance.sd:
            return math.nan
        place = [cell[name] for name in ("encoder", "evaluation", "fold", "metric")]
        other = next(name for name in LOSSES if name != cell["objective"])
        return min(self._values.get((*place, other), [math.nan]), key=lambda value: abs(value - cell["value"]))

    @cached_property
    def ensembles(self) -> dict[tuple[str, str], dict[Hashable, Any]]:
        """The cells of ensemble top-1, by model (named as in `cnn-pse-3`) and evaluation."""
        chosen = self.frame[(self.frame["fold"] == "ensemble") & (self.frame["metric"] == "top1")]
        return {(model_id(cell), str(cell["evaluation"])): cell for cell in chosen.to_dict("records")}

    @cached_property
    def _values(self) -> dict[tuple[str, ...], list[float]]:
        """The values by encoder, evaluation, fold, metric and objective."""
        columns = ["encoder", "evaluation", "fold", "metric", "objective"]
        groups = self.frame.groupby(columns)["value"]
        return {tuple(map(str, key)): values.astype(float).tolist() for key, values in groups}

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


def _flat(encoders: Mapping[str, Any]) -> dict[tuple[str, str, str, str], Tolerance]:
    """Turn [ENCODER.EVALUATION.METRIC] and [ENCODER.EVALUATION.METRIC.FOLD] into a flat mapping."""
    flat = {}
    for encoder, evaluations in encoders.items():
        for evaluation, metrics in evaluations.items():
            for metric, entry in metrics.items():
                by_fold = {fold: inner for fold, inner in entry.items() if isinstance(inner, dict)}
                own = {name: value for name, value in entry.items() if name not in by_fold}
                for fold, inner in (by_fold | ({"": own} if own else {})).items():
                    flat[encoder, evaluation, metric, fold] = Tolerance(**inner)
    return flat
