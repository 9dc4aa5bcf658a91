"""Limits of what is asked for, and types of numbers within limits; `toml.build` refuses other values."""

from typing import Annotated

from pydantic import Field

from pse_repro.errors import UsageError

MAX_COUNT = 10**12  # of epochs, images, steps: far above any use, and far below what computers cannot count
MAX_FOLDS = 1_000
MAX_MODELS, MAX_PROTOCOLS = 1_000, 100  # of a study
MAX_TRIES = 100  # of a search
MAX_SEEDS = 1_000
MAX_CELLS = 10_000  # of a run: `plan` and `status` list them all
MAX_NAME = 100  # bytes of a name: file systems allow 255, and the names of archives and earlier runs are longer

Count = Annotated[int, Field(gt=0, le=MAX_COUNT)]
Seeds = Annotated[int, Field(gt=0, le=MAX_SEEDS)]
Folds = Annotated[int, Field(ge=2, le=MAX_FOLDS)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]


def check_seeds(seeds: int) -> None:
    """Raise UsageError unless the number of seeds is within its limits."""
    if not 1 <= seeds <= MAX_SEEDS:
        raise UsageError(f"seeds is {seeds}; expected 1 to {MAX_SEEDS:,}")
