"""Measure one part of a claim on a run's predictions: difference, interval over seeds, description of each seed.

Shapes: S seeds, M models, N test images, K folds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pse_repro.claims.definitions import TOP1, Part, Term
from pse_repro.seeding import derive
from pse_repro.stats import (
    Interval,
    McNemar,
    PooledVariance,
    equivalence_p_value,
    mcnemar,
    mean_interval,
    outside_p_value,
    paired_difference,
    pooled_variance,
)
from pse_repro.study.predictions import Correct, Predictions

POINTS = 100  # percentage points in a share of 1
DRAWS = 2_000  # bootstrap draws for the interval of a single seed, which is only descriptive: enough for two digits


@dataclass(frozen=True)
class SeedEffect:
    """The effect in one seed, in the part's unit: a description, never evidence for a claim.

    `fold_sd` is the standard deviation of the differences within single folds; None with fewer than two folds.
    """

    seed: int
    difference: float
    mcnemar: McNemar | None = None
    fold_sd: float | None = None


@dataclass(frozen=True)
class Measured:
    """A part's difference over its complete seeds, with p-values for and against the part.

    `p_value` tests the null hypothesis that the part does not hold: two-sided, that the difference equals the
    statement's threshold (0 by default); for equivalence, the two one-sided tests.
    `p_against` tests the null hypothesis that the part holds with the claimed size; two-sided, like the interval.
    """

    part: Part
    difference: Interval
    p_value: float
    p_against: float
    by_seed: tuple[SeedEffect, ...]


def in_run(part: Part, predictions: Predictions) -> bool:
    """Return whether the run's study includes every model and evaluation that the part compares."""
    return all(predictions.covers(term.model, term.evaluation) for term in part.terms)


def complete_seeds(part: Part, protocol: str, predictions: Predictions) -> list[int]:
    """Return the seeds for which every cell that the part compares is complete."""
    terms, metric = part.terms, part.statement.metric
    return [
        seed
        for seed in predictions.seeds
        if all(predictions.complete(protocol, term.model, term.evaluation, seed) for term in terms)
        and all(
            metric == TOP1 or predictions.metric(protocol, term.model, term.evaluation, metric, seed) is not None
            for term in terms
        )
    ]


def measure(
    part: Part, protocol: str, predictions: Predictions, seeds: list[int], alpha: float, others: Sequence[str] = ()
) -> Measured:
    """Measure the part over `seeds` (at least one), with an interval of confidence 1 - alpha.

    `others` are models whose variance over seeds is pooled with that of a difference in top-1.
    """
    if part.statement.metric == TOP1:
        pooled = _pooled(part, protocol, predictions, seeds, others)
        difference, by_seed = _top1(part, protocol, predictions, seeds, (1 - alpha, pooled))
    else:
        difference, by_seed = _scalar(part, protocol, predictions, seeds, 1 - alpha)
    return Measured(part, difference, _p_value(part, difference), _p_against(part, difference), tuple(by_seed))


def _scalar(
    part: Part, protocol: str, predictions: Predictions, seeds: list[int], confidence: float
) -> tuple[Interval, list[SeedEffect]]:
    """Measure a scalar metric: one number per model and seed, hence Student's interval of the differences."""

    def value(terms: tuple[Term, ...], seed: int) -> float:
        found = [predictions.metric(protocol, t.model, t.evaluation, part.statement.metric, seed) for t in terms]
        return sum(each for each in found if each is not None)  # complete_seeds excludes None

    differences = [value(part.plus, seed) - value(part.minus, seed) for seed in seeds]
    by_seed = [SeedEffect(seed, difference) for seed, difference in zip(seeds, differences, strict=True)]
    return mean_interval(differences, confidence=confidence), by_seed


def _pooled(
    part: Part, protocol: str, predictions: Predictions, seeds: list[int], others: Sequence[str]
) -> PooledVariance | None:
    """Pool the variance over seeds of those models, the part's own included, that are complete for all `seeds`.

    None for an ensemble's gain over its own members, which is not a difference between models.
    """
    statement = part.statement
    if statement.kind == "ensemble":
        return None
    evaluations = statement.evaluations if statement.kind == "gain" else (part.plus[0].evaluation,)
    models = dict.fromkeys([*(term.model for term in part.terms), *others])
    complete = [
        model
        for model in models
        if all(predictions.complete(protocol, model, name, seed) for name in evaluations for seed in seeds)
    ]
    # in a gain, each model counts with its first evaluation minus its second
    scores_EMS = np.array([
        [[POINTS * predictions.correct(protocol, m, name, seed).ensemble_N.mean() for seed in seeds] for m in complete]
        for name in evaluations
    ])  # fmt: skip
    return pooled_variance(scores_EMS[0] - scores_EMS[1] if len(evaluations) == 2 else scores_EMS[0])


def _top1(
    part: Part,
    protocol: str,
    predictions: Predictions,
    seeds: list[int],
    interval: tuple[float, PooledVariance | None],
) -> tuple[Interval, list[SeedEffect]]:
    """Measure top-1 accuracy, paired over the same test images; `interval` is its confidence and pooled variance."""
    confidence, pooled = interval
    plus, minus, by_seed = [], [], []
    for seed in seeds:
        found = {term: predictions.correct(protocol, term.model, term.evaluation, seed) for term in part.terms}
        plus_N = np.sum([found[term].ensemble_N for term in part.plus], axis=0)
        minus_N = np.sum([_correctness(found[term], term.members) for term in part.minus], axis=0)
        plus.append(plus_N)
        minus.append(minus_N)
        folds_K = _fold_differences(part, [found[term] for term in part.plus], [found[term] for term in part.minus])
        one_pair = len(part.plus) == 1 and not part.minus[0].members
        by_seed.append(
            SeedEffect(
                seed,
                POINTS * float((plus_N - minus_N).mean()),
                mcnemar(plus_N, minus_N) if one_pair else None,
                float(folds_K.std(ddof=1)) if len(folds_K) > 1 else None,
            )
        )
    generator = np.random.default_rng(derive("claims", protocol, part.name))
    a_SN, b_SN = np.array(plus), np.array(minus)
    difference = paired_difference(a_SN, b_SN, generator=generator, confidence=confidence, draws=DRAWS, pooled=pooled)
    return difference, by_seed


def _correctness(found: Correct, members: bool) -> np.ndarray:
    """Return (N,): 0 or 1 for the ensemble, or the fraction of members that are correct."""
    values: np.ndarray = found.members_KN.mean(axis=0) if members else found.ensemble_N.astype(np.int64)
    return values


def _fold_differences(part: Part, plus: list[Correct], minus: list[Correct]) -> np.ndarray:
    """Return (K,) in percentage points: the contrast within each fold, or the ensemble minus each member."""
    if part.minus[0].members:
        return POINTS * (plus[0].ensemble_N.mean() - minus[0].members_KN.mean(axis=1))
    added, subtracted = (np.sum([found.members_KN.mean(axis=1) for found in side], axis=0) for side in (plus, minus))
    return POINTS * np.asarray(added - subtracted)


def _p_value(part: Part, difference: Interval) -> float:
    statement = part.statement
    if statement.margin is not None:
        return equivalence_p_value([difference], statement.margin)
    return difference.p_value(statement.threshold)


def _p_against(part: Part, difference: Interval) -> float:
    """Return twice the one-sided p-value: at most alpha if the 1 - alpha interval lies wholly outside the claim."""
    statement = part.statement
    if statement.margin is not None:
        return outside_p_value(difference, statement.margin)
    if statement.direction == "either":  # it may fail on neither side: the interval lies within the minimum
        return min(1.0, 2 * equivalence_p_value([difference], statement.minimum))
    if statement.direction == "greater":
        return min(1.0, 2 * difference.p_value(statement.threshold + statement.minimum, "less"))
    return min(1.0, 2 * difference.p_value(statement.threshold - statement.minimum, "greater"))
