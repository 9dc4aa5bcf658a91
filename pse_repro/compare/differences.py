"""The study's actual finding, as numbers of their own: PSE minus MSE in ensemble top-1, against the published one.

The published difference is that of two single runs, each with the spread of expected/tolerances.toml. With fewer than
three common seeds a measured difference is `within` or `outside` the tolerance that covers 19 of 20 differences between
correct runs. From three on, a test of equivalence decides (stats/verdicts.py): `reproduced` if the true difference is
closer to the published one than half way to zero, or to twice the published one, at an error rate of 5 %; the noise of
the two published runs counts as known (`target_sd`).
"""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pse_repro.compare.chance import JUDGED, baseline
from pse_repro.expected import CELL, ExpectedTable, Tolerance
from pse_repro.stats import MIN_SEEDS, equivalence, mean_interval

ONE_SIDED_Z = 1.645  # one side of the test of equivalence, at 5 %
Verdict = Literal["reproduced", "not reproduced", "undecided", "within", "outside"]


@dataclass(frozen=True)
class Difference:
    """PSE minus MSE in ensemble top-1, percentage points: the published one (`expected`) and the mean over seeds.

    `low` and `high` bound the mean, NaN with one seed. `tolerance` covers 19 of 20 differences between correct runs.
    `discriminates` is False if a difference that is within would be within the tolerance of zero, too; None unless it
    is within. `decidable` is False if the two published runs are so noisy that no number of seeds can reproduce it.
    """

    protocol: str
    encoder: str
    sigma: str
    evaluation: str
    seeds: int
    expected: float
    measured: float
    low: float
    high: float
    tolerance: float
    verdict: Verdict
    discriminates: bool | None
    decidable: bool


def differences_between_losses(rows: pd.DataFrame, results: pd.DataFrame, expected: ExpectedTable) -> list[Difference]:
    """Return a difference for each pair of comparable rows of a comparison; `results` are the values by seed."""
    is_top1 = (rows["fold"] == "ensemble") & (rows["metric"] == "top1")
    judged = rows[is_top1 & rows["verdict"].isin(JUDGED)]
    cells = {tuple(cell[name] for name in ("protocol", *CELL)): cell for cell in judged.to_dict("records")}
    found = []
    for pse in cells.values():
        mse = cells.get((pse["protocol"], *baseline(pse)))
        if pse["objective"] == "pse" and mse is not None:
            found.append(_difference(pse, mse, _by_seed(pse, results) - _by_seed(mse, results), expected))
    return [difference for difference in found if difference is not None]


def _by_seed(cell: Mapping[Hashable, Any], results: pd.DataFrame) -> "pd.Series[float]":
    own = results
    for name in ("protocol", *CELL):
        own = own[own[name] == cell[name]]
    return own.set_index("seed")["value"].astype(float)


def _difference(
    pse: Mapping[Hashable, Any], mse: Mapping[Hashable, Any], by_seed: "pd.Series[float]", expected: ExpectedTable
) -> Difference | None:
    values = [value for value in by_seed if math.isfinite(value)]  # NaN: a seed of one loss only
    tolerances = [expected.tolerance(cell) for cell in (pse, mse)]
    sd = math.hypot(*(found.sd for found in tolerances if found is not None))
    if not values or sd == 0:
        return None
    published, interval = pse["expected"] - mse["expected"], mean_interval(values)
    measured, tolerance = interval.estimate, Tolerance("", sd=sd).at(len(values))
    verdict: Verdict = "within" if abs(measured - published) <= tolerance else "outside"
    if len(values) >= MIN_SEEDS:
        verdict = equivalence(values, published, abs(published) / 2, target_sd=sd).verdict
    return Difference(
        protocol=pse["protocol"],
        encoder=pse["encoder"],
        sigma=pse["sigma"],
        evaluation=pse["evaluation"],
        seeds=len(values),
        expected=round(published, 9),
        measured=measured,
        low=interval.low if math.isfinite(interval.low) else math.nan,
        high=interval.high if math.isfinite(interval.high) else math.nan,
        tolerance=tolerance,
        verdict=verdict,
        discriminates=abs(measured) > tolerance if verdict == "within" else None,
        decidable=ONE_SIDED_Z * sd < abs(published) / 2,
    )
