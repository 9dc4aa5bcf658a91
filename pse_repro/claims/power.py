"""What a run could find: by simulation, how often each claim would hold, fail or stay undecided with N seeds.

The seeds of every model are drawn with the spread of expected/tolerances.toml around the published ensembles (or a
share `effect` of the published differences), and judged as `judge.py` judges a run, claims that cannot hold left out.
It is the judge's arithmetic for many runs at once; tests/claims/test_power.py compares the two.

Assumptions: normal noise, independent between models; the published effects are the true ones; the choice of the 8,000
test images adds IMAGES_SE to a difference of two models and nothing to the other parts.
Shapes: D draws, C claims, L levels, M models, S seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from scipy.special import ndtri, stdtrit

from pse_repro.claims.definitions import TOP1, Claim, Group, Part, Term, load_claims
from pse_repro.claims.judge import ALPHA
from pse_repro.expected import load_expected
from pse_repro.seeding import derive
from pse_repro.stats import MIN_SEEDS

DRAWS = 1_000
MAX_SEEDS = 30  # more are not tried
ENOUGH = 0.8  # the power that is asked of a study
# In percentage points, for 8,000 images: 0.06 to 0.16 over eight seeds (CNN pair on photographs of ImageNet), at most
# 0.55 if every disagreement of two frozen models were the same for all seeds.
IMAGES_SE = 0.3
# What may be true, as a share of the published differences between the losses.
WORLDS = {"as published": 1.0, "half of it": 0.5, "no difference": 0.0}


@dataclass(frozen=True)
class Shares:
    """Shares of simulated runs that say yes (holds, reproduced) and no (fails, not reproduced); the others neither."""

    yes: float
    no: float

    @property
    def undecided(self) -> float:
        """Share of the runs that say neither."""
        return max(0.0, 1 - self.yes - self.no)


@dataclass(frozen=True)
class ClaimPower:
    """What a study could say of one claim.

    `worlds` are the shares of runs with the planned seeds, by WORLDS; empty if the study does not have all parts of the
    claim, which then cannot hold. `seeds_needed` is the number of seeds with which it holds in a share ENOUGH of runs
    if the published effects are true; None if MAX_SEEDS are too few or it cannot hold.
    """

    number: int
    short: str
    parts_tested: int
    parts_total: int
    worlds: dict[str, Shares]
    seeds_needed: int | None


def claims_power(models: Sequence[str], evaluations: Sequence[str], seeds: int) -> list[ClaimPower]:
    """Return the power of a study of these models and evaluations for those of the study's claims that it touches."""
    claims = [claim for claim in load_claims() if _tested(claim, models, evaluations)]
    complete = [claim for claim in decidable_claims(models, evaluations) if claim.group == "study"]
    worlds = {name: simulate_claims(complete, seeds, effect) for name, effect in WORLDS.items()}
    needed: dict[int, int] = {}
    for count in range(MIN_SEEDS, MAX_SEEDS + 1):
        if len(needed) < len(complete):
            for number, shares in simulate_claims(complete, count).items():
                if shares.yes >= ENOUGH:
                    needed.setdefault(number, count)
    return [
        ClaimPower(
            number=claim.number,
            short=claim.short,
            parts_tested=len(_tested(claim, models, evaluations)),
            parts_total=len(claim.parts()),
            worlds={name: shares[claim.number] for name, shares in worlds.items() if claim in complete},
            seeds_needed=needed.get(claim.number),
        )
        for claim in claims
    ]


def decidable_claims(models: Sequence[str], evaluations: Sequence[str]) -> list[Claim]:
    """Return the claims of all groups that a study of these models and evaluations tests in all their parts."""
    claims = [claim for group in get_args(Group) for claim in load_claims(group)]
    return [claim for claim in claims if len(_tested(claim, models, evaluations)) == len(claim.parts())]


def _tested(claim: Claim, models: Sequence[str], evaluations: Sequence[str]) -> list[Part]:
    """Return the parts of a claim that a study of these models and evaluations tests."""
    own = {*evaluations, "pretrain"}
    return [
        part for part in claim.parts() if all(term.model in models and term.evaluation in own for term in part.terms)
    ]


def simulate_claims(claims: Sequence[Claim], seeds: int, effect: float = 1.0, spread: float = 1.0) -> dict[int, Shares]:
    """Return how often each claim, by number, holds and fails in runs with so many seeds of every model.

    `effect` is the true share of the published differences between losses; the ensembles' gain over their members and
    the reconstruction errors stay as published. `spread` multiplies the stored spreads.
    """
    if seeds < MIN_SEEDS or not claims:
        return {claim.number: Shares(0.0, 0.0) for claim in claims}
    runs = _Runs(seeds, effect, spread, np.random.default_rng(derive("power", seeds)))
    holds_CD, fails_CD = _judged([[runs.measure(part) for part in claim.parts()] for claim in claims])
    shares = zip(holds_CD.mean(axis=1).tolist(), fails_CD.mean(axis=1).tolist(), strict=True)
    return {claim.number: Shares(*each) for claim, each in zip(claims, shares, strict=True)}


def _judged(claims: "Sequence[Sequence[_Measured]]") -> tuple[np.ndarray, np.ndarray]:
    """Return whether each claim, given by its measured parts, holds and whether it fails in each draw: (C, D) both."""
    family = len(claims)
    levels_L = ALPHA / np.arange(family, 0, -1)  # Holm's steps, the strictest first
    evidence_CLD = np.array([[_all(parts, level) for level in levels_L] for parts in claims])  # is p at most the level?
    # Holm takes a step if enough claims are significant at its level, and stops before the first that it cannot take;
    # the claims significant at the last step's level are rejected.
    can_LD = evidence_CLD.sum(axis=0) > np.arange(family)[:, None]
    steps_D = np.logical_and.accumulate(can_LD, axis=0).sum(axis=0)
    last_CD = np.take_along_axis(evidence_CLD, np.maximum(steps_D - 1, 0)[None, None], axis=1)[:, 0]
    reaches_CD = np.array([np.all([part.reaches for part in parts], axis=0) for parts in claims])
    fails_CD = np.array([np.any([part.contradicts(ALPHA / len(parts)) for part in parts], axis=0) for parts in claims])
    return last_CD & (steps_D > 0) & reaches_CD, fails_CD


def _all(parts: "Sequence[_Measured]", level: float) -> np.ndarray:
    return np.all([part.significant(level) for part in parts], axis=0)


@dataclass(frozen=True, eq=False)
class _Measured:
    """A part in every draw: its estimate less the threshold, in the claimed direction, and its standard errors."""

    part: Part
    estimate_D: np.ndarray
    seeds_error_D: np.ndarray
    df: int
    images_error: float

    def half_width(self, tail: float) -> np.ndarray:
        """Return the half-width by Banerjee's rule (stats/intervals.py) for a tail on either side."""
        return np.hypot(stdtrit(self.df, tail) * self.seeds_error_D, ndtri(tail) * self.images_error)

    def significant(self, level: float) -> np.ndarray:
        """Return whether the part's p-value is at most `level`."""
        if self.part.statement.margin is not None:  # two one-sided tests
            return np.abs(self.estimate_D) + self.half_width(level) <= self.part.statement.margin
        return np.abs(self.estimate_D) >= self.half_width(level / 2)

    @property
    def reaches(self) -> np.ndarray:
        """Whether the estimate has the claimed direction and size."""
        if self.part.statement.margin is not None:
            return np.ones_like(self.estimate_D, bool)
        return (self.estimate_D > 0) & (self.estimate_D >= self.part.statement.minimum)

    def contradicts(self, level: float) -> np.ndarray:
        """Return whether no value that the claim allows lies in the interval of confidence 1 - level."""
        statement, half = self.part.statement, self.half_width(level / 2)
        if statement.margin is not None:
            return np.abs(self.estimate_D) - half > statement.margin
        return self.estimate_D + half <= statement.minimum


class _Runs:
    """Simulated runs: the scores of every model of the study for each seed, by evaluation, and their image errors."""

    def __init__(self, seeds: int, effect: float, spread: float, random: np.random.Generator) -> None:
        self.seeds, self.spread, self.random = seeds, spread, random
        slides = load_expected("slides")
        published = slides.ensembles
        self.models = {name: place for place, name in enumerate(dict.fromkeys(model for model, _ in published))}
        self.scores_DMS = {evaluation: np.empty((DRAWS, len(self.models), seeds)) for _, evaluation in published}
        self.images_DM = {
            name: random.standard_normal((DRAWS, len(self.models))) * IMAGES_SE / 2**0.5 for name in self.scores_DMS
        }
        for (model, evaluation), cell in published.items():
            baseline, tolerance = published[f"{cell['encoder']}-mse", evaluation]["value"], slides.tolerance(cell)
            assert tolerance is not None
            mean = baseline + effect * (cell["value"] - baseline)
            noise = tolerance.sd * spread * random.standard_normal((DRAWS, seeds))
            self.scores_DMS[evaluation][:, self.models[model]] = mean + noise

    def measure(self, part: Part) -> _Measured:
        """Measure a part as `measure.py` does, in every draw."""
        statement = part.statement
        if statement.metric == TOP1 and statement.kind != "ensemble":
            by_seed_DS, images_D = self._contrast(part)
            variance_D, df = self._variance(part, by_seed_DS)
            images_error = IMAGES_SE * (len(part.terms) / 2) ** 0.5
        else:
            noise = self.random.standard_normal((DRAWS, self.seeds))
            by_seed_DS, images_D = (part.published or 0.0) + statement.sd * self.spread * noise, np.zeros(DRAWS)
            variance_D, df, images_error = by_seed_DS.var(axis=1, ddof=1), self.seeds - 1, 0.0
        sign = 1 if statement.direction == "greater" else -1
        estimate_D = sign * (by_seed_DS.mean(axis=1) + images_D - statement.threshold)
        return _Measured(part, estimate_D, np.sqrt(variance_D / self.seeds), df, images_error)

    def _contrast(self, part: Part) -> tuple[np.ndarray, np.ndarray]:
        """Return a part's differences by seed (D, S), and the error (D,) that the choice of images adds to them."""

        def total(terms: Sequence[Term], values: dict[str, np.ndarray]) -> np.ndarray:
            return np.sum([values[term.evaluation][:, self.models[term.model]] for term in terms], axis=0)

        by_seed, images = (
            total(part.plus, values) - total(part.minus, values) for values in (self.scores_DMS, self.images_DM)
        )
        return np.asarray(by_seed), np.asarray(images)

    def _variance(self, part: Part, by_seed_DS: np.ndarray) -> tuple[np.ndarray, int]:
        """Return the variance over seeds and its degrees of freedom, by the rule of `seeds_error`."""
        statement = part.statement
        scores_DMS = self.scores_DMS[part.plus[0].evaluation]
        if statement.kind == "gain":
            scores_DMS = self.scores_DMS[statement.evaluations[0]] - self.scores_DMS[statement.evaluations[1]]
        rest = scores_DMS - scores_DMS.mean(axis=1, keepdims=True) - scores_DMS.mean(axis=2, keepdims=True)
        rest += scores_DMS.mean(axis=(1, 2), keepdims=True)
        df = (len(self.models) - 1) * (self.seeds - 1)
        pooled_D = 2 * (rest**2).sum(axis=(1, 2)) / df
        return np.maximum(by_seed_DS.var(axis=1, ddof=1), pooled_D), min(df, 2 * (self.seeds - 1))
