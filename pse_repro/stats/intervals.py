"""Confidence intervals of a mean over seeds and of a paired difference, with the corresponding p-values.

Banerjee's rule combines several standard errors, each with its own degrees of freedom, into one interval: its
half-width is sqrt(sum (t_k e_k)^2), where t_k is Student's quantile for the degrees of freedom of e_k. The coverage is
at least nominal whatever the ratio of the true variances: the distribution function of chi-square with one degree of
freedom is concave, so Jensen's inequality bounds the coverage term by term. Satterthwaite's (1946) effective degrees of
freedom, the usual choice, are too many for two or three seeds: such a "95 %" interval covers 88 % if nine tenths of the
variance lie between two seeds (tests/stats/test_intervals.py).

Three to ten seeds tell little about the variance of one pair of models. `pooled_variance` therefore adds what the run's
other models of the same evaluation tell: the residual variance of the two-way layout of models and seeds, so that an
effect that all models of a seed share drops out. Models may vary differently, so `seeds_error` takes the larger of the
pair's own and the pooled variance, with twice the pair's own degrees of freedom, at most the pooled ones. Simulated
error rates at 5 %: at most nominal if the standard deviations of the models differ by up to a factor of 1.5, 6.4 % at
a factor of 2; at 0.83 % (Holm's first step for six claims) 0.7 and 1.4 % (tests/stats/test_pooling.py). The rates are
not kept if some models are strongly correlated and the compared pair is not: 8.8 % if the other four models of a CNN
study have a correlation of 0.9 between them (three seeds; with the study's seven models it stays below 5 %).

Assumption: seeds are independent draws with roughly normal effects, which so few seeds can neither verify nor correct.
Uniform effects raise an error rate of 5 % to up to 8 %, exponential effects to up to 12 %; with seeds in two separate
clusters the error rate is not controlled.

Sources: S. K. Banerjee, "Approximate confidence interval for linear functions of means of k populations when the
populations are not equal", Sankhya 22, 1960; F. E. Satterthwaite, "An approximate distribution of estimates of variance
components", Biometrics Bulletin 2, 1946. Readers crossed with cases: D. D. Dorfman, K. S. Berbaum & C. E. Metz,
Investigative Radiology 27, 1992; N. A. Obuchowski & H. E. Rockette, Communications in Statistics: Simulation 24, 1995;
S. L. Hillis, Statistics in Medicine 26, 2007. B. Efron & R. J. Tibshirani, An Introduction to the Bootstrap, 1993;
X. Bouthillier et al., "Accounting for variance in machine learning benchmarks", MLSys 2021.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, stdtr, stdtrit  # 60 times as fast for one number as those of scipy.stats
from scipy.stats import binom, bootstrap

Alternative = Literal["two-sided", "greater", "less"]
POINTS = 100  # percentage points in a share of 1
_BATCH_ELEMENTS = 1_000_000  # values that the bootstrap resamples at a time: 8 MB
_LARGEST_Z = 30.0  # its tail is 5e-198; anything beyond counts as 0, before Student's quantiles overflow


@dataclass(frozen=True)
class StandardError:
    """A standard error and the degrees of freedom of its estimate; infinite degrees if it is known exactly."""

    value: float
    df: float


@dataclass(frozen=True)
class PooledVariance:
    """The variance over seeds of the difference of two models, pooled over models, and its degrees of freedom."""

    value: float
    df: int


@dataclass(frozen=True)
class Interval:
    """An estimate and its two-sided interval, in the unit of the values (a paired difference: percentage points).

    `errors` are the independent contributions to the standard error; `floor`, if given, is a standard error that sets
    the minimum width of the interval. With one seed both are empty: there is an estimate, but no conclusion.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    seeds: int
    errors: tuple[StandardError, ...] = ()
    floor: StandardError | None = None

    def p_value(self, null: float = 0.0, alternative: Alternative = "two-sided") -> float:
        """Return the p-value of the null hypothesis that the true value is `null`.

        The two-sided p-value is at most alpha if the 1 - alpha interval excludes `null`. `alternative` is the side of
        `null` on which the true value lies under the alternative hypothesis. One seed is no evidence: the p-value is 1.
        Without any spread the estimate counts as exact: 0 or 1 (one-sided and exactly at `null`: 0.5).
        """
        if self.seeds < 2:
            return 1.0
        distance = self.estimate - null
        tail = _tail(abs(distance), self.errors, self.floor)
        if alternative == "two-sided":
            return 2 * tail
        return tail if (distance > 0) == (alternative == "greater") else 1 - tail

    def detectable(self, alpha: float, minimum: float = 0.0, power: float = 0.8) -> float:
        """Return the smallest true effect that a share `power` of such runs finds: significant, and at least `minimum`.

        The test is two-sided, at `alpha`. Approximate: this run's standard errors count as known. Infinite with one
        seed.
        """
        if self.seeds < 2:
            return math.inf
        spread = math.hypot(*(error.value for error in self.errors))
        return max(_half_width(alpha / 2, self.errors, self.floor), minimum) + float(ndtri(power)) * spread


def interval_of(
    estimate: float,
    errors: tuple[StandardError, ...],
    *,
    seeds: int,
    confidence: float,
    floor: StandardError | None = None,
) -> Interval:
    """Return the interval by Banerjee's rule (see the module); with one seed it is unbounded.

    Raises:
        ValueError: confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; expected a share between 0 and 1, such as 0.95")
    if seeds < 2:
        return Interval(estimate, -math.inf, math.inf, confidence, seeds)
    half = _half_width((1 - confidence) / 2, errors, floor)
    return Interval(estimate, estimate - half, estimate + half, confidence, seeds, errors, floor)


def mean_interval(values: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Return Student's t-interval of the mean over seeds: values (seeds,), one per seed, in any unit.

    Raises:
        ValueError: no value, a value that is not finite, more than one dimension.
    """
    array = finite(values, "values")
    if array.ndim != 1:
        raise ValueError(f"values have shape {array.shape}; expected (seeds,)")
    seeds = len(array)
    error = seeds_error(array) if seeds > 1 else StandardError(0, 0)
    return interval_of(float(array.mean()), (error,), seeds=seeds, confidence=confidence)


def images_interval(percent: float, images: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the bootstrap percentile interval, in percent, of one run's accuracy (percent) over `images` test images.

    No resampling is needed: the hits in a resample of N images are binomial with parameters N and the accuracy.
    """
    low, high = binom.interval(confidence, images, percent / 100)
    return 100 * float(low) / images, 100 * float(high) / images


def pooled_variance(scores_MS: ArrayLike) -> PooledVariance | None:
    """Return the variance over seeds of a difference between two of several models; scores_MS: (models, seeds).

    It is twice the residual mean square of the two-way layout, with (models - 1)(seeds - 1) degrees of freedom. None if
    there are fewer than three models or two seeds, as nothing is then pooled.

    Raises:
        ValueError: no score, a score that is not finite, other than two dimensions.
    """
    scores = finite(scores_MS, "scores_MS")
    if scores.ndim != 2:
        raise ValueError(f"scores_MS has shape {scores.shape}; expected (models, seeds)")
    models, seeds = scores.shape
    if models < 3 or seeds < 2:
        return None
    rest = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
    df = (models - 1) * (seeds - 1)
    return PooledVariance(2 * float((rest**2).sum()) / df, df)


def seeds_error(differences_S: np.ndarray, pooled: PooledVariance | None = None) -> StandardError:
    """Return the standard error of the mean difference over two or more seeds; see the module for `pooled`."""
    seeds = len(differences_S)
    variance, df = float(differences_S.var(ddof=1)), seeds - 1
    if pooled is not None:
        variance, df = max(variance, pooled.value), min(2 * df, pooled.df)
    return StandardError(math.sqrt(variance / seeds), df)


def paired_difference(
    correct_a: ArrayLike,
    correct_b: ArrayLike,
    *,
    generator: np.random.Generator,
    confidence: float = 0.95,
    draws: int = 10_000,
    pooled: PooledVariance | None = None,
) -> Interval:
    """Return the difference in accuracy of two models on the same test images, a minus b in percentage points.

    correct_a, correct_b: (images,) or (seeds, images), boolean or float. Each row is a pre-training with its own seed,
    which a and b share. Differences of correctness are valid inputs, too (a gain minus another gain).

    One seed: the paired percentile bootstrap over images, with `draws` draws from `generator` (Efron & Tibshirani 1993,
    ch. 13). It compares these two trained networks, not their training methods: retraining can reverse the result
    (Bouthillier et al. 2021). Hence `seeds` is 1 and every p-value is 1.

    Two or more seeds: with D (seeds, images) = a - b, images and seeds are crossed random effects,

        D[s, i] = mu + seed[s] + image[i] + rest[s, i],

    like readers and cases in a multi-reader study (Dorfman, Berbaum & Metz 1992; Obuchowski & Rockette 1995; Hillis
    2007). The means d[s] of the seeds vary by `seed` and `rest`, and share `image`. The variance of their mean is
    therefore var(d) / S, with S - 1 degrees of freedom (or `pooled`, see the module), plus the shared part: the
    covariance of two seeds' D over images, divided by the number of images. Banerjee's rule combines the two. A
    negative covariance counts as zero, and the interval is never narrower than that over images only, since two seeds
    may agree by chance. These variances of means over images are those of the bootstrap in closed form, so `draws` and
    `generator` are not used.

    All seeds share the training images, so the result does not extend to other training sets.

    Raises:
        ValueError: shapes differ or are not as above, there are fewer than two images, or a value is not finite.
    """
    a, b = finite(correct_a, "correct_a"), finite(correct_b, "correct_b")
    if a.shape != b.shape or a.ndim not in (1, 2):
        raise ValueError(f"shapes are {a.shape} and {b.shape}; expected (images,) or (seeds, images) for both")
    difference = POINTS * np.atleast_2d(a - b)
    seeds, images = difference.shape
    if images < 2:
        raise ValueError("there is one test image; an interval over images needs at least two")
    estimate = float(difference.mean())
    if seeds == 1:
        low, high = _bootstrap_bounds(difference[0], confidence, draws, generator)
        return Interval(estimate, low, high, confidence, seeds)
    covariance = np.cov(difference)
    shared = (covariance.sum() - covariance.trace()) / (seeds * (seeds - 1))
    return interval_of(
        estimate,
        (
            seeds_error(difference.mean(axis=1), pooled),
            StandardError(math.sqrt(max(shared, 0) / images), images - 1),
        ),
        seeds=seeds,
        confidence=confidence,
        floor=StandardError(float(difference.mean(axis=0).std(ddof=1)) / math.sqrt(images), images - 1),
    )


def finite(values: ArrayLike, name: str) -> np.ndarray:
    """Return the values as float64.

    Raises:
        ValueError: there are no values, or one of them is NaN or infinite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise ValueError(f"{name} is empty; expected at least one value")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has {np.count_nonzero(~np.isfinite(array))} values that are NaN or infinite")
    return array


def _bootstrap_bounds(
    difference: np.ndarray, confidence: float, draws: int, generator: np.random.Generator
) -> tuple[float, float]:
    interval = bootstrap(
        (np.sort(difference),),  # sorted, so that the result does not depend on the order of the images
        np.mean,
        n_resamples=draws,
        batch=max(1, _BATCH_ELEMENTS // len(difference)),
        confidence_level=confidence,
        method="percentile",
        rng=generator,
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _half_width(tail: float, errors: tuple[StandardError, ...], floor: StandardError | None) -> float:
    """Return the half-width of the interval that excludes `tail` (at most 0.5) on either side."""
    combined = math.hypot(*(stdtrit(error.df, tail) * error.value for error in errors))
    return combined if floor is None else max(combined, -stdtrit(floor.df, tail) * floor.value)


def _tail(distance: float, errors: tuple[StandardError, ...], floor: StandardError | None) -> float:
    """Return the one-sided p-value (0 to 0.5): the tail for which the interval's half-width equals `distance`."""
    spread = [error for error in errors if error.value]
    if len(spread) == 1 and (floor is None or not floor.value):  # Student's own distribution, exact to rounding
        return float(stdtr(spread[0].df, -distance / spread[0].value))

    def excess(z: float) -> float:  # the root is sought on a normal scale, where small tails are resolved as well
        return _half_width(float(ndtr(-z)), errors, floor) - distance

    if excess(0.0) >= 0:  # at the null, or closer than rounding can tell
        return 0.5
    if excess(_LARGEST_Z) <= 0:
        return 0.0
    return float(ndtr(-brentq(excess, 0.0, _LARGEST_Z, xtol=1e-13)))
