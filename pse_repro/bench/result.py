"""Results of a bench, written and read as JSON (schemas/bench.schema.json)."""

import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pse_repro.config.toml import build
from pse_repro.errors import UsageError
from pse_repro.files import write_bytes
from pse_repro.text import to_json


@dataclass(frozen=True)
class Spread:
    """Median and quartiles over the rounds."""

    median: float
    lower_quartile: float
    upper_quartile: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        lower, median, upper = np.percentile(values, [25, 50, 75]).tolist()
        return cls(median, lower, upper)


@dataclass(frozen=True)
class Measured:
    """Measurements of one form of one row.

    `speedup` is the straightforward form's time over this one's, round by round; None if there is none.
    """

    group: str
    row: str
    form: str
    precision: str
    unit: str
    count: int
    rounds: tuple[float, ...]  # seconds of each call
    seconds: Spread
    warm_up_seconds: float | None  # of the first call, which is not one of the rounds
    per_second: float  # units per second, at the median
    peak_memory_bytes: int | None
    flops: int | None
    matrix_rate_share: float | None  # operations per second, as a share of the matrix product's in this precision
    speedup: Spread | None


@dataclass(frozen=True)
class Ratio:
    """Our time for one unit of a row over that of another row, round by round."""

    group: str
    name: str
    precision: str
    value: Spread


@dataclass(frozen=True)
class Place:
    """The machine; `load_average` is that of the last 1, 5 and 15 minutes at the start of the bench."""

    device: Literal["cpu", "cuda"]
    name: str  # of the GPU, or of the processor if none is used
    processor: str
    cores: float
    threads: int
    load_average: tuple[float, ...]
    platform: str

    @property
    def slug(self) -> str:
        """Name and cores in a form suitable for a file name."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.name} {self.cores:g} cores".lower()).strip("-")


@dataclass(frozen=True)
class Result:
    """Result of a whole bench; `date` is YYYY-MM-DD, `matrix_rates` are operations per second by precision."""

    date: str
    place: Place
    versions: dict[str, str | None]
    git: dict[str, Any] | None
    precisions: tuple[str, ...]
    quick: bool  # tiny sizes, for tests: the figures are meaningless
    data: str
    images: dict[str, int]
    matrix_rates: dict[str, float]
    memory_means: str
    rows: tuple[Measured, ...]
    ratios: tuple[Ratio, ...]

    def only(self, groups: Sequence[str]) -> "Result":
        """Return the result of the named groups, or of all if none is named. Raises UsageError for an unknown one."""
        known = list(dict.fromkeys(row.group for row in self.rows))
        for group in groups:
            if group not in known:
                raise UsageError(f"rows is {group!r}; the result holds {', '.join(known)}")
        rows = tuple(row for row in self.rows if not groups or row.group in groups)
        ratios = tuple(ratio for ratio in self.ratios if not groups or ratio.group in groups)
        return dataclasses.replace(self, rows=rows, ratios=ratios)

    def as_json(self) -> str:
        return to_json(dataclasses.asdict(self))


def save(result: Result, directory: Path) -> Path:
    """Write DIRECTORY/DATE-MACHINE.json, with -2, -3, ... appended if it exists, and return its path."""
    stem = f"{result.date}-{result.place.slug}"
    path, number = directory / f"{stem}.json", 1
    while path.exists():
        number += 1
        path = directory / f"{stem}-{number}.json"
    write_bytes(path, result.as_json().encode() + b"\n")
    return path


def load(path: Path) -> Result:
    """Return a saved result. Raises UsageError for a file that cannot be read or has other contents."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON; expected what `pse-repro bench --save` wrote") from error
    return build(Result, document, str(path))
