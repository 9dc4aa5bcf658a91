"""How many numbers of a table fall outside their tolerances by chance: by simulation from the stored spreads.

A tolerance covers 19 of 20 differences between correct runs, so a table of 147 numbers is almost never within all of
them, and the numbers of one row go astray together. The verdict on a table is therefore a test of all its numbers at
once, with an error rate of 5 % for a run in which everything is right. It has two halves of 2.5 %: the number of values
outside, and the largest distance in tolerances, since one value far outside is no chance either.

In the simulation the truth of a row is its published value less that run's noise, and a mean over N runs has the noise
of a run, divided by sqrt(N). Noise is normal: `row_sd` is common to a row, the rest of `sd` to the metrics of a fold.
The spreads are estimates, so each draw has its own, larger or smaller by a common factor with SPREAD_DF degrees of
freedom: the error rate still holds if the true spreads are 1.3 times those stored.
`effect` sets the truth of PSE's rows between that of MSE's (0: the loss makes no difference) and their own (1: the
published table is right). Shapes: D draws, C cells, R rows and F folds of a table.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd

from pse_repro.claims.power import WORLDS, Shares
from pse_repro.expected import CELL, ExpectedTable, Tolerance
from pse_repro.seeding import derive
from pse_repro.tables import model_name

ERROR_RATE = 0.05  # for a run in which everything is right
DRAWS = 10_000
SPREAD_DF = 12  # the published ensembles tell their spread with 6 degrees of freedom, the folds with 8 and 20
JUDGED = ("within", "outside")
Effects = Mapping[tuple[str, str], float]  # by encoder and evaluation; 1 elsewhere
Normals = tuple[np.ndarray, np.ndarray]  # standard normal draws of one run: of each row (R, D), of each fold (F, D)


@dataclass(frozen=True)
class TableVerdict:
    """Verdict on all comparable numbers of a table together; "" if there is none.

    reproduced      no more numbers are outside, and none is further, than chance explains, which would be improbable if
                    the losses did not differ
    undecided       the same, but it would be as probable then
    not reproduced  more are outside, or one is further, than chance explains

    `outside` of `compared` numbers are outside, chance explains up to `allowed`. `furthest` is the largest distance in
    tolerances, chance explains up to `reach`. `no_effect` is the probability that a run stays within both if PSE does
    nothing; None for a table without two losses. `blind` names the parts (encoder, evaluation) of which the verdict
    says nothing, as a run without PSE's effect there stays within both in more than 5 % of cases.
    """

    verdict: Literal["reproduced", "undecided", "not reproduced", ""]
    compared: int = 0
    outside: int = 0
    allowed: int = 0
    furthest: float = 0.0
    reach: float = 1.0
    no_effect: float | None = None
    blind: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """The verdict's reason, in one clause."""
        if not self.verdict:
            return "no number is comparable"
        counts = f"{self.outside} of {self.compared} numbers outside, up to {self.allowed} by chance"
        if self.outside and self.reach > 1:
            far = f"{self.furthest:.1f} tolerances" if math.isfinite(self.furthest) else "no finite number"
            counts += f"; the furthest at {far}, up to {self.reach:.1f} by chance"
        if self.no_effect is None or self.verdict == "not reproduced":
            return counts
        counts += f"; if PSE did nothing, so few would be outside in {_percent(self.no_effect)} of runs"
        return counts + (f"; not told from no effect: {' and '.join(self.blind)}" if self.blind else "")


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share >= 1 / DRAWS else f"less than {100 / DRAWS:.2g} %"


def judge_table(rows: pd.DataFrame, expected: ExpectedTable) -> TableVerdict:
    """Judge the rows of a comparison that have a verdict of their own.

    `rows` has protocol, CELL, difference, tolerance, verdict, seeds and, with two losses, rival. The difference is that
    from one published run or, with a column other_seeds, from a mean over as many runs.
    """
    judged = rows[rows["verdict"].isin(JUDGED)]
    if judged.empty:
        return TableVerdict("")
    distances = (judged["difference"].abs() / judged["tolerance"]).fillna(math.inf)
    outside, furthest = int((judged["verdict"] == "outside").sum()), float(distances.max())
    allowed, reach = simulate(judged, expected, effect=1.0).limits()
    facts = (len(judged), outside, allowed, furthest, reach)
    is_beyond = outside > allowed or furthest > reach
    if "rival" not in judged or not judged["rival"].notna().any():
        return TableVerdict("not reproduced" if is_beyond else "reproduced", *facts)
    no_effect = simulate(judged, expected, effect=0.0).share_within(allowed, reach)
    if is_beyond:
        return TableVerdict("not reproduced", *facts, no_effect)
    blind = tuple(
        f"{model_name(encoder, 'none', '')} {evaluation}"
        for encoder, evaluation in dict.fromkeys(zip(judged["encoder"], judged["evaluation"], strict=True))
        if simulate(judged, expected, {(encoder, evaluation): 0.0}).share_within(allowed, reach) > ERROR_RATE
    )
    return TableVerdict("undecided" if no_effect > ERROR_RATE else "reproduced", *facts, no_effect, blind)


def planned_rows(expected: ExpectedTable, scope: pd.DataFrame, seeds: int) -> pd.DataFrame:
    """Return the numbers with a tolerance that a study of this scope measures, as rows of a comparison to be.

    `scope` has encoder, objective, sigma and evaluation, a row per combination.
    """
    columns = ["encoder", "objective", "sigma", "evaluation"]
    kept = expected.frame.merge(scope[columns].drop_duplicates(), on=columns)
    tolerances = [expected.tolerance(cell) for cell in kept.to_dict("records")]
    accepted = [math.nan if found is None else found.at(seeds) for found in tolerances]
    rivals = [expected.rival(cell) for cell in kept.to_dict("records")]
    return kept.assign(seeds=seeds, tolerance=accepted, rival=rivals)[pd.notna(accepted)]


def table_outcomes(rows: pd.DataFrame, expected: ExpectedTable) -> dict[str, Shares]:
    """Return how often runs that measure the cells of `rows` are reproduced and not reproduced, by WORLDS."""
    runs = {effect: simulate(rows, expected, effect) for effect in WORLDS.values()}
    limits = runs[1.0].limits()
    within = {name: runs[effect].share_within(*limits) for name, effect in WORLDS.items()}
    is_decided = runs[0.0].share_within(*limits) <= ERROR_RATE
    return {name: Shares(share if is_decided else 0.0, 1 - share) for name, share in within.items()}


@dataclass(frozen=True, eq=False)
class Simulated:
    """Numbers outside their tolerances and the largest distance in tolerances, of each draw."""

    outside_D: np.ndarray
    furthest_D: np.ndarray

    def limits(self) -> tuple[int, float]:
        """Return the number outside and the distance that chance explains: each is exceeded in at most 2.5 %."""
        edge = 1 - ERROR_RATE / 2
        allowed = int(np.quantile(self.outside_D, edge, method="inverted_cdf"))
        return allowed, max(1.0, float(np.quantile(self.furthest_D, edge)))

    def share_within(self, allowed: int, reach: float) -> float:
        """Return the share of draws that stay within both limits."""
        return float(((self.outside_D <= allowed) & (self.furthest_D <= reach)).mean())


def simulate(
    rows: pd.DataFrame, expected: ExpectedTable, effect: float | Effects, spread: float | None = None
) -> Simulated:
    """Simulate runs that measure the cells of `rows`, with as many seeds each.

    `effect` is described above. `spread` is the ratio of the true spreads to those stored; None draws it.
    """
    table = expected.frame.to_dict("records")
    parts = [part for _, part in rows.groupby("protocol")]
    ratio_D, runs = _drawn(len(parts), tuple(of.max() + 1 for of in _rows_and_folds(table)), spread is None)
    if spread is not None:
        ratio_D = np.full(DRAWS, spread)
    outside_D, furthest_D = np.zeros(DRAWS, np.int64), np.zeros(DRAWS)
    for part, (published, measured) in zip(parts, runs, strict=True):
        noises = (_Noise(table, expected, published), _Noise(table, expected, measured))
        distances_CD = np.abs(_differences(part, table, effect, ratio_D, noises))
        outside_D += (distances_CD > 1).sum(axis=0)
        furthest_D = np.maximum(furthest_D, distances_CD.max(axis=0))
    return Simulated(outside_D, furthest_D)


@lru_cache(maxsize=1)
def _drawn(
    parts: int, sizes: tuple[int, ...], has_ratio: bool
) -> tuple[np.ndarray, tuple[tuple[Normals, Normals], ...]]:
    """Return the ratio (D,) of the spreads, and two runs for each part; kept, as each simulation has the same."""
    random = np.random.default_rng(derive("numbers outside by chance"))
    ratio_D = np.sqrt(SPREAD_DF / random.chisquare(SPREAD_DF, DRAWS)) if has_ratio else np.ones(DRAWS)

    def run() -> Normals:
        rows, folds = (np.ascontiguousarray(random.standard_normal((DRAWS, size)).T) for size in sizes)
        return rows, folds

    return ratio_D, tuple((run(), run()) for _ in range(parts))


def _differences(
    rows: pd.DataFrame,
    table: Sequence[Mapping[Hashable, Any]],
    effect: float | Effects,
    ratio_D: np.ndarray,
    noises: tuple["_Noise", "_Noise"],
) -> np.ndarray:
    """Return simulated differences (C, D) from the expected values, in tolerances; 0 if the tolerance is fixed."""
    published, measured = noises
    all_values = np.array([float(cell["value"]) for cell in table])
    index = {_place(cell): number for number, cell in enumerate(table)}
    cells = np.array([index[_place(cell)] for cell in rows.to_dict("records")])
    mse = np.array([index.get(baseline(table[cell]), cell) for cell in cells])
    seeds, other_seeds = rows["seeds"].clip(lower=1).to_numpy(float), np.ones(len(table))
    other_seeds[cells] = rows.get("other_seeds", 1)
    by_part = effect if isinstance(effect, Mapping) else {}
    everywhere = 1.0 if isinstance(effect, Mapping) else effect
    effects = [by_part.get((str(cell["encoder"]), str(cell["evaluation"])), everywhere) for cell in table]
    values, values_of_mse = all_values[cells][:, None], all_values[mse][:, None]
    share = np.array(effects)[cells][:, None]
    truth_CD, truth_of_mse_CD = (
        all_values[of][:, None] - published.of(of) / np.sqrt(other_seeds[of])[:, None] for of in (cells, mse)
    )
    measured_CD = share * truth_CD + (1 - share) * truth_of_mse_CD + measured.of(cells) / np.sqrt(seeds)[:, None]
    shift = (1 - share) * (values_of_mse - values)  # the part that is not noise, which alone has the ratio
    differences_CD = shift + ratio_D * (measured_CD - values - shift)
    return np.asarray(differences_CD / rows["tolerance"].to_numpy(dtype=float)[:, None])


class _Noise:
    """The noise of one run in the cells of a table."""

    def __init__(self, table: Sequence[Mapping[Hashable, Any]], expected: ExpectedTable, normals: Normals):
        tolerances = [expected.tolerance(cell) or Tolerance("") for cell in table]
        self.row_sd = np.array([found.row_sd for found in tolerances])[:, None]
        self.rest = np.sqrt(np.array([found.sd for found in tolerances])[:, None] ** 2 - self.row_sd**2)
        self.row, self.fold = _rows_and_folds(table)
        # a good fold has a small loss
        self.sign = np.array([-1 if cell["metric"] == "loss" else 1 for cell in table])[:, None]
        self.normals = normals

    def of(self, cells: np.ndarray) -> np.ndarray:
        """Return the noise (C, D) of these cells."""
        rows, folds = (drawn[of[cells]] for drawn, of in zip(self.normals, (self.row, self.fold), strict=True))
        return np.asarray(self.sign[cells] * (self.row_sd[cells] * rows + self.rest[cells] * folds))


def _rows_and_folds(table: Sequence[Mapping[Hashable, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of each cell's row and fold."""
    row, fold = (
        np.unique(["/".join(_place(cell)[:length]) for cell in table], return_inverse=True)[1] for length in (4, 5)
    )
    return row, fold


def _place(cell: Mapping[Hashable, Any]) -> tuple[str, ...]:
    """Return encoder, objective, sigma and evaluation, which identify a row, fold and metric."""
    return tuple(str(cell[name]) for name in CELL)


def baseline(cell: Mapping[Hashable, Any]) -> tuple[str, ...]:
    """Return the place whose truth a cell has if PSE does nothing: that of MSE, or its own."""
    return _place({**cell, "objective": "mse", "sigma": ""} if cell["objective"] == "pse" else cell)
