"""Stored runs in which the gain of PSE is known, and their claims judged."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pse_repro.claims import ClaimResult, judge
from pse_repro.config.study import Model
from pse_repro.study.cells import Cell
from tests.support.stored_predictions import LABELS, Likely, store_predictions, study

CNN = (Model("cnn", "mse"), *(Model("cnn", "pse", sigma) for sigma in (3.0, 4.0, 5.0, 6.0)))
RESNET = (Model("resnet", "mse"), Model("resnet", "pse", 3.0))
PAIR = CNN[:2]
IMAGES = len(LABELS)
JITTER = (0.0, 0.001, -0.001)  # of accuracy from seed to seed, other for every model
Points = Mapping[str, float] | float


def likely(points: Points, by_seed: tuple[float, ...] = JITTER, frozen: float = 0.0) -> Likely:
    """Accuracy 40 %, for PSE `points` more (by model, or for all), frozen `frozen` more still.

    The easiest images are right, so that models differ in the images between; by_seed[seed] adds for PSE alone.
    """

    def of(cell: Cell, evaluation: str, fold: int) -> np.ndarray:
        if cell.model.objective == "mse":
            return np.arange(IMAGES) < 0.4 * IMAGES
        own = points if isinstance(points, float | int) else points[cell.model.name]
        gain = own / 100 + (frozen / 100 if evaluation == "frozen" else 0) + by_seed[cell.seed]
        return np.arange(IMAGES) < round((0.4 + gain) * IMAGES)

    return of


def judged(directory: Path, models: tuple[Model, ...] = PAIR, seeds: int = 3, **rest: object) -> dict[int, ClaimResult]:
    """Judge the claims, by number, on a run in which PSE is `points` better."""
    how = {name: rest.pop(name) for name in ("points", "by_seed", "frozen") if name in rest}
    record = store_predictions(directory, study(models), likely(**how), seeds, **rest)  # type: ignore[arg-type]
    return {result.claim.number: result for result in judge(record)}
