"""Verdicts from intervals and p-values: whether a published difference was reproduced, and whether a claim holds.

Judging a claim takes three steps: its p-value (`Interval.p_value` or `equivalence_p_value`), `holm` over all claims of
a study, and the verdict. Holm limits the probability of any wrong "holds" among all claims to alpha; the probability of
a wrong "fails" is at most alpha for each claim.

Sources: D. J. Schuirmann, "A comparison of the two one-sided tests procedure and the power approach", Journal of
Pharmacokinetics and Biopharmaceutics 15, 1987; R. L. Berger, "Multiparameter hypothesis testing and acceptance
sampling", Technometrics 24, 1982 (a claim of several parts: the largest p-value needs no adjustment).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike

from pse_repro.stats.intervals import Interval, StandardError, interval_of, mean_interval
from pse_repro.stats.significance import holm

Direction = Literal["greater", "less", "either"]
MIN_SEEDS = 3  # two seeds have one degree of freedom: their 95 % interval is 11 times as wide as that of eight


@dataclass(frozen=True)
class Equivalence:
    """Verdict on the reproduction of a published difference, with the mean over seeds, its interval and the p-values.

    The null hypothesis of `p_reproduced` is that the true mean is outside the tolerance; that of `p_not_reproduced` is
    that it is within.
    """

    verdict: Literal["reproduced", "not reproduced", "undecided"]
    mean: Interval
    p_reproduced: float
    p_not_reproduced: float


@dataclass(frozen=True)
class ClaimVerdict:
    """Verdict on a claim, with the reason for it."""

    verdict: Literal["holds", "fails", "undecided"]
    reason: str


def equivalence(
    values: ArrayLike, target: float, tolerance: float, *, alpha: float = 0.05, target_sd: float = 0.0
) -> Equivalence:
    """Test whether values (seeds,) reproduce `target`, all in one unit, by two one-sided t-tests of the mean (TOST).

    "reproduced": the 1 - 2 alpha interval of the mean lies inside target +- tolerance (Schuirmann 1987).
    "not reproduced": the 1 - alpha interval lies wholly outside. It is not 1 - 2 alpha, because near a small tolerance
    the mean can leave on either side, and both errors count. Either wrong verdict has a probability of at most alpha.

    The target is one published run. With `target_sd` 0 the tolerance must cover that run's own noise as well as the
    difference that would not matter; otherwise a good reproduction of a lucky run is "not reproduced". If the standard
    deviation of such a run is known from a source other than the target, pass it as `target_sd`: it widens the interval
    that is compared with the tolerance, which then has to cover only the difference.

    The test images are the published ones, so their choice adds no error.

    Raises:
        ValueError: there are fewer than 3 seeds, a value is not finite, tolerance is not above 0, target_sd is below 0,
            or alpha is not between 0 and 0.5.
    """
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha is {alpha}; expected a share between 0 and 0.5, such as 0.05")
    if not (math.isfinite(target) and 0 < tolerance < math.inf and 0 <= target_sd < math.inf):
        raise ValueError(
            f"target is {target}, tolerance {tolerance}, target_sd {target_sd}; expected finite numbers,"
            " tolerance above 0, target_sd 0 or more"
        )
    mean = mean_interval(values, confidence=1 - alpha)
    if mean.seeds < MIN_SEEDS:
        raise ValueError(f"there are {mean.seeds} seeds; a verdict on a mean needs at least {MIN_SEEDS}")
    errors = (*mean.errors, StandardError(target_sd, math.inf))
    difference = interval_of(mean.estimate - target, errors, seeds=mean.seeds, confidence=1 - alpha)
    inside, outside = _p_inside(difference, tolerance), outside_p_value(difference, tolerance)
    if inside <= alpha:
        return Equivalence("reproduced", mean, inside, outside)
    return Equivalence("not reproduced" if outside <= alpha else "undecided", mean, inside, outside)


def superiority_claim(
    difference: Interval,
    adjusted_p: float,
    *,
    minimum: float = 0.0,
    direction: Direction = "greater",
    alpha: float = 0.05,
) -> ClaimVerdict:
    """Judge the claim that a exceeds b by at least `minimum` ("less": falls below b by it; "either": differs by it).

    `minimum` is 0 or more, in the unit of the difference; with "either", a claim of at least 0 could not fail.

    "holds": `adjusted_p` (two-sided, null hypothesis of no difference, after Holm) is at most alpha, and the estimate
    has the claimed direction and reaches the minimum. Only the direction is thus tested, the size is that of the
    estimate. To test the size, pass `difference.p_value(minimum)` ("less": of -minimum), adjusted.
    "fails": no value in the interval has the claimed direction and size (alpha is then one tail of the interval).
    "undecided": otherwise, and always with fewer than MIN_SEEDS seeds.

    Raises:
        ValueError: adjusted_p is not from 0 to 1, or the minimum is negative or not finite.
    """
    _check_p(adjusted_p)
    if not 0 <= minimum < math.inf:
        raise ValueError(f"the minimum is {minimum}; expected 0 or more, in the claimed direction")
    if difference.seeds < MIN_SEEDS:
        return _too_few(difference.seeds)
    effect, largest = {
        "greater": (difference.estimate, difference.high),
        "less": (-difference.estimate, -difference.low),
        "either": (abs(difference.estimate), max(difference.high, -difference.low)),
    }[direction]
    where = "in either direction" if direction == "either" else "in the claimed direction"
    if largest <= 0 or largest < minimum:
        return ClaimVerdict("fails", f"the interval ends at {largest:.4g} {where}, below the claim")
    if adjusted_p > alpha:
        return ClaimVerdict("undecided", f"not significant: p {adjusted_p:.2g}")
    if effect <= 0 or effect < minimum:
        return ClaimVerdict("undecided", f"the effect of {effect:.4g} {where} is below the claim")
    return ClaimVerdict("holds", f"effect {effect:.4g}, p {adjusted_p:.2g}")


def equivalence_p_value(differences: Sequence[Interval], margin: float) -> float:
    """Return the p-value of the null hypothesis that one of the differences is not within +-margin.

    It is the largest p-value of their two one-sided tests (Berger 1982).

    Raises:
        ValueError: there is no difference, or the margin is not above 0.
    """
    _check_margin(differences, margin)
    return max(_p_inside(difference, margin) for difference in differences)


def outside_p_value(difference: Interval, margin: float) -> float:
    """Return the p-value of the null hypothesis that the true difference is within +-margin; both sides count.

    It is at most alpha if the 1 - alpha interval lies wholly outside.
    """
    return min(1.0, 2 * min(difference.p_value(-margin, "less"), difference.p_value(margin, "greater")))


def equivalence_claim(
    differences: Sequence[Interval], adjusted_p: float, *, margin: float, alpha: float = 0.05
) -> ClaimVerdict:
    """Judge the claim of equivalence: every difference lies within +-margin (> 0, in their unit).

    "holds": `adjusted_p` (`equivalence_p_value`, after Holm) is at most alpha.
    "fails": one of the differences is significantly outside the margin, after Holm over the differences.
    "undecided": otherwise, and always if one of them has fewer than MIN_SEEDS seeds.

    Raises:
        ValueError: there is no difference, adjusted_p is not from 0 to 1, or the margin is not above 0.
    """
    _check_p(adjusted_p)
    _check_margin(differences, margin)
    if (seeds := min(difference.seeds for difference in differences)) < MIN_SEEDS:
        return _too_few(seeds)
    if adjusted_p <= alpha:
        return ClaimVerdict("holds", f"all within {margin:.4g}, p {adjusted_p:.2g}")
    outside = min(holm([outside_p_value(difference, margin) for difference in differences]))
    if outside <= alpha:
        return ClaimVerdict("fails", f"one of them is outside {margin:.4g}, p {outside:.2g}")
    return ClaimVerdict("undecided", f"neither within nor outside {margin:.4g}: p {adjusted_p:.2g}")


def _p_inside(difference: Interval, margin: float) -> float:
    """Return the TOST p-value of the null hypothesis that the true difference is not within +-margin."""
    return max(difference.p_value(-margin, "greater"), difference.p_value(margin, "less"))


def _too_few(seeds: int) -> ClaimVerdict:
    return ClaimVerdict("undecided", f"{seeds} seed{'s' * (seeds > 1)}; a verdict needs at least {MIN_SEEDS}")


def _check_p(adjusted_p: float) -> None:
    if not 0 <= adjusted_p <= 1:
        raise ValueError(f"adjusted p is {adjusted_p}; expected 0 to 1")


def _check_margin(differences: Sequence[Interval], margin: float) -> None:
    if not differences or not 0 < margin < math.inf:
        raise ValueError(
            f"there are {len(differences)} differences, margin {margin}; expected at least one, and a margin above 0"
        )
