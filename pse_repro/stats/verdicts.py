"""From intervals and p-values to verdicts: was a number reproduced, does a claim hold.

A claim takes three steps: its p-value (`Interval.p_value` or `equivalence_p_value`); `holm` over all claims of a study;
its verdict. Holm keeps a wrong "holds" to alpha over all claims together; a wrong "fails" has alpha for each claim.

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

ONE_SEED = "one seed: nothing is known about retraining"


@dataclass(frozen=True)
class Equivalence:
    """Was a published number reproduced: verdict, the mean over seeds with its interval, the p-values.

    `p_reproduced` is of "the true mean is out of tolerance", `p_not_reproduced` of "it is within".
    """

    verdict: Literal["reproduced", "not reproduced", "inconclusive"]
    mean: Interval
    p_reproduced: float
    p_not_reproduced: float


@dataclass(frozen=True)
class ClaimVerdict:
    """Does a claim hold, and why it was judged so."""

    verdict: Literal["holds", "fails", "inconclusive"]
    reason: str


def equivalence(
    values: ArrayLike, target: float, tolerance: float, *, alpha: float = 0.05, target_sd: float = 0.0
) -> Equivalence:
    """Was `target` reproduced by values (seeds,), all in one unit: two one-sided t-tests of the mean (TOST).

    "reproduced": the 1 - 2 alpha interval of the mean lies inside target +- tolerance (Schuirmann 1987).
    "not reproduced": the 1 - alpha interval lies wholly outside. Not 1 - 2 alpha: near a small tolerance the mean can
    leave on either side, and both errors count. Either wrong verdict has at most probability alpha.

    The target is one published run. With `target_sd` 0 the tolerance must carry that run's own noise, besides the
    difference that would not matter: else a good reproduction of a lucky run is "not reproduced". Where the standard
    deviation of such a run is known, from a source other than the target, give it as `target_sd`: it widens the
    interval that is held against the tolerance, which then carries the difference alone.

    The test images are the published ones, so their choice adds no error.

    Raises:
        ValueError: fewer than 3 seeds, a value that is not finite, tolerance not above 0, target_sd below 0,
            alpha not between 0 and 0.5.
    """
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha is {alpha}; expected a share between 0 and 0.5, such as 0.05")
    if not (math.isfinite(target) and 0 < tolerance < math.inf and 0 <= target_sd < math.inf):
        raise ValueError(
            f"target is {target}, tolerance {tolerance}, target_sd {target_sd}; expected finite numbers,"
            " tolerance above 0 and target_sd not below"
        )
    mean = mean_interval(values, confidence=1 - alpha)
    if mean.seeds < 3:
        raise ValueError(f"there are {mean.seeds} seeds; a verdict on a mean needs at least 3")
    errors = (*mean.errors, StandardError(target_sd, math.inf))
    difference = interval_of(mean.estimate - target, errors, seeds=mean.seeds, confidence=1 - alpha)
    inside, outside = _p_inside(difference, tolerance), _p_outside(difference, tolerance)
    if inside <= alpha:
        return Equivalence("reproduced", mean, inside, outside)
    return Equivalence("not reproduced" if outside <= alpha else "inconclusive", mean, inside, outside)


def superiority_claim(
    difference: Interval,
    adjusted_p: float,
    *,
    minimum: float = 0.0,
    direction: Literal["greater", "less"] = "greater",
    alpha: float = 0.05,
) -> ClaimVerdict:
    """Does "a is better than b by at least `minimum`" hold ("less": worse); `minimum` >= 0 in the difference's unit.

    "holds": `adjusted_p` (two-sided, of no difference, after Holm) is at most alpha, and the estimate has the claimed
    direction and reaches the minimum. So what is shown is the direction; the size is the estimate's. To show the size,
    hand in `difference.p_value(minimum)` ("less": of -minimum), adjusted.
    "fails": no value in the interval has the claimed direction and size (alpha is then the interval's, one side of it).
    "inconclusive": else, and always with one seed.

    Raises:
        ValueError: adjusted_p is not from 0 to 1, the minimum is negative or not finite.
    """
    _check_p(adjusted_p)
    if not 0 <= minimum < math.inf:
        raise ValueError(f"the minimum is {minimum}; expected 0 or more, in the claimed direction")
    if difference.seeds < 2:
        return ClaimVerdict("inconclusive", ONE_SEED)
    greater = direction == "greater"
    effect = difference.estimate if greater else -difference.estimate
    largest = difference.high if greater else -difference.low
    if largest <= 0 or largest < minimum:
        return ClaimVerdict("fails", f"the interval ends at {largest:.4g} in the claimed direction, below the claim")
    if adjusted_p > alpha:
        return ClaimVerdict("inconclusive", f"not significant: adjusted p {adjusted_p:.2g}")
    if effect <= 0 or effect < minimum:
        return ClaimVerdict("inconclusive", f"the effect of {effect:.4g} in the claimed direction is below the claim")
    return ClaimVerdict("holds", f"effect {effect:.4g}, adjusted p {adjusted_p:.2g}")


def equivalence_p_value(differences: Sequence[Interval], margin: float) -> float:
    """P-value of "one of the differences is not within +-margin": the largest of their TOSTs' (Berger 1982).

    Raises:
        ValueError: no difference, the margin is not above 0.
    """
    _check_margin(differences, margin)
    return max(_p_inside(difference, margin) for difference in differences)


def equivalence_claim(
    differences: Sequence[Interval], adjusted_p: float, *, margin: float, alpha: float = 0.05
) -> ClaimVerdict:
    """Does "it matters little" hold: every difference lies within +-margin (> 0, in their unit).

    "holds": `adjusted_p` (`equivalence_p_value`, after Holm) is at most alpha.
    "fails": one of the differences is significantly out of the margin, after Holm over the differences.
    "inconclusive": else, and always if one of them has one seed.

    Raises:
        ValueError: no difference, adjusted_p is not from 0 to 1, the margin is not above 0.
    """
    _check_p(adjusted_p)
    _check_margin(differences, margin)
    if min(difference.seeds for difference in differences) < 2:
        return ClaimVerdict("inconclusive", ONE_SEED)
    if adjusted_p <= alpha:
        return ClaimVerdict("holds", f"all within {margin:.4g}, adjusted p {adjusted_p:.2g}")
    outside = min(holm([_p_outside(difference, margin) for difference in differences]))
    if outside <= alpha:
        return ClaimVerdict("fails", f"one of them is out of {margin:.4g}, adjusted p {outside:.2g}")
    return ClaimVerdict("inconclusive", f"neither within nor out of {margin:.4g}: adjusted p {adjusted_p:.2g}")


def _p_inside(difference: Interval, margin: float) -> float:
    """TOST: p-value of "the true difference is not within +-margin"."""
    return max(difference.p_value(-margin, "greater"), difference.p_value(margin, "less"))


def _p_outside(difference: Interval, margin: float) -> float:
    """P-value of "the true difference is within +-margin"; both sides count."""
    return min(1.0, 2 * min(difference.p_value(-margin, "less"), difference.p_value(margin, "greater")))


def _check_p(adjusted_p: float) -> None:
    if not 0 <= adjusted_p <= 1:
        raise ValueError(f"adjusted p is {adjusted_p}; expected 0 to 1")


def _check_margin(differences: Sequence[Interval], margin: float) -> None:
    if not differences or not 0 < margin < math.inf:
        raise ValueError(f"{len(differences)} differences, margin {margin}; expected at least one, and above 0")
