"""Confidence intervals of a mean over seeds and of a paired difference, and the p-values that belong to them.

Several standard errors, each with its own degrees of freedom, make one interval by Banerjee's rule: the half-width is
sqrt(sum (t_k e_k)^2), t_k being Student's quantile for the degrees of freedom of e_k. It covers at least the nominal
share whatever the ratio of the true variances: the distribution function of chi-square with one degree of freedom is
concave, so Jensen's inequality bounds the coverage term by term. Satterthwaite's (1946) effective degrees of freedom,
the usual choice, are too many for two or three seeds: a "95 %" interval of his covers 88 % where nine tenths of the
variance lie between two seeds (tests/test_statistics.py).

Assumed: seeds are independent draws with roughly normal effects, which so few seeds can neither show nor repair.
Uniform effects make of an error rate of 5 % up to 8 %, exponential ones up to 12 %; seeds in two camps break it.

Sources: S. K. Banerjee, "Approximate confidence interval for linear functions of means of k populations when the
populations are not equal", Sankhya 22, 1960; F. E. Satterthwaite, "An approximate distribution of estimates of variance
components", Biometrics Bulletin 2, 1946. Readers and cases: D. D. Dorfman, K. S. Berbaum & C. E. Metz, Investigative
Radiology 27, 1992; N. A. Obuchowski & H. E. Rockette, Communications in Statistics: Simulation 24, 1995;
S. L. Hillis, Statistics in Medicine 26, 2007. B. Efron & R. J. Tibshirani, An Introduction to the Bootstrap, 1993;
X. Bouthillier et al., "Accounting for variance in machine learning benchmarks", MLSys 2021.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import ndtr, stdtrit  # norm.cdf and t.ppf of scipy.stats, 60 times as fast for one number
from scipy.stats import binom, bootstrap

Alternative = Literal["two-sided", "greater", "less"]
POINTS = 100  # percentage points in a share of 1
_BATCH_ELEMENTS = 1_000_000  # of the bootstrap, at a time: 8 MB
_LARGEST_Z = 30.0  # its tail is 5e-198: what lies beyond is 0, before Student's quantiles overflow


@dataclass(frozen=True)
class StandardError:
    """A standard error and the degrees of freedom of its estimate; infinite where it is known."""

    value: float
    df: float


@dataclass(frozen=True)
class Interval:
    """An estimate and its two-sided interval, in the unit of the values (a paired difference: percentage points).

    `errors` are the independent contributions to the standard error; `floor`, if any, is a standard error that the
    interval is never narrower than. With one seed both are empty: there is an estimate, and nothing to conclude.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    seeds: int
    errors: tuple[StandardError, ...] = ()
    floor: StandardError | None = None

    def p_value(self, null: float = 0.0, alternative: Alternative = "two-sided") -> float:
        """P-value of "the true value is `null`": two-sided, at most alpha where the 1 - alpha interval excludes it.

        `alternative` says on which side of `null` the true value is suspected. One seed is no evidence: 1. Without any
        spread the estimate counts as exact: 0 or 1 (one-sided and exactly at `null`: 0.5).
        """
        if self.seeds < 2:
            return 1.0
        distance = self.estimate - null
        tail = _tail(abs(distance), self.errors, self.floor)
        if alternative == "two-sided":
            return 2 * tail
        return tail if (distance > 0) == (alternative == "greater") else 1 - tail


def interval_of(
    estimate: float,
    errors: tuple[StandardError, ...],
    *,
    seeds: int,
    confidence: float,
    floor: StandardError | None = None,
) -> Interval:
    """The interval of Banerjee's rule (above); with one seed it is the whole line."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; expected a share between 0 and 1, such as 0.95")
    if seeds < 2:
        return Interval(estimate, -math.inf, math.inf, confidence, seeds)
    half = _half_width((1 - confidence) / 2, errors, floor)
    return Interval(estimate, estimate - half, estimate + half, confidence, seeds, errors, floor)


def mean_interval(values: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Student's t-interval of the mean over seeds: values (seeds,), one a seed, in any unit.

    Raises:
        ValueError: no value, a value that is not finite, more than one dimension.
    """
    array = finite(values, "values")
    if array.ndim != 1:
        raise ValueError(f"values have shape {array.shape}; expected (seeds,)")
    seeds = len(array)
    error = StandardError(float(array.std(ddof=1)) / math.sqrt(seeds), seeds - 1) if seeds > 1 else StandardError(0, 0)
    return interval_of(float(array.mean()), (error,), seeds=seeds, confidence=confidence)


def images_interval(percent: float, images: int, confidence: float = 0.95) -> tuple[float, float]:
    """The bootstrap's percentile interval of one run's accuracy in percent over that many test images, in percent.

    Without a draw: the hits among a resample of N images are binomial, with N and the accuracy as its parameters.
    """
    low, high = binom.interval(confidence, images, percent / 100)
    return 100 * float(low) / images, 100 * float(high) / images


def paired_difference(
    correct_a: ArrayLike,
    correct_b: ArrayLike,
    *,
    generator: np.random.Generator,
    confidence: float = 0.95,
    draws: int = 10_000,
) -> Interval:
    """Difference in accuracy, a minus b in percentage points, of two models over the same test images.

    correct_a, correct_b: (images,) or (seeds, images), boolean or float. A row is a pre-training with its own seed; the
    same row of a and b shares the seed. Differences of correctness can be given as well (a gain minus another gain).

    One seed: the percentile bootstrap over images, in pairs, with `draws` draws from `generator` (Efron & Tibshirani
    1993, ch. 13). It compares these two trained networks, not what they were trained with: retraining can reverse it
    (Bouthillier et al. 2021). Hence `seeds` is 1 and every p-value 1.

    Two or more seeds: with D (seeds, images) = a - b, images and seeds are crossed random effects,

        D[s, i] = mu + seed[s] + image[i] + rest[s, i],

    as readers and cases are in a multi-reader study (Dorfman, Berbaum & Metz 1992; Obuchowski & Rockette 1995; Hillis
    2007). The seeds' means d[s] spread by `seed` and `rest`, and share `image`. So the variance of their mean is
    var(d) / S, on S - 1 degrees of freedom, plus what they share: the covariance of two seeds' D over images, divided
    by the number of images. Banerjee's rule adds them. A negative covariance counts as zero, and the interval is never
    narrower than the one over images alone: two seeds that agree by chance prove nothing. These variances of means
    over images are the bootstrap's, in closed form, so nothing is drawn.

    All seeds share the training images: nothing is said about other training sets.

    Raises:
        ValueError: shapes differ or are others than above, fewer than two images, a value that is not finite.
    """
    a, b = finite(correct_a, "correct_a"), finite(correct_b, "correct_b")
    if a.shape != b.shape or a.ndim not in (1, 2):
        raise ValueError(f"shapes are {a.shape} and {b.shape}; expected twice (images,) or twice (seeds, images)")
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
            StandardError(float(difference.mean(axis=1).std(ddof=1)) / math.sqrt(seeds), seeds - 1),
            StandardError(math.sqrt(max(shared, 0) / images), images - 1),
        ),
        seeds=seeds,
        confidence=confidence,
        floor=StandardError(float(difference.mean(axis=0).std(ddof=1)) / math.sqrt(images), images - 1),
    )


def finite(values: ArrayLike, name: str) -> np.ndarray:
    """The values in float64; ValueError where there are none, or one is NaN or infinite."""
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
        (np.sort(difference),),  # the order of the images decides nothing
        np.mean,
        n_resamples=draws,
        batch=max(1, _BATCH_ELEMENTS // len(difference)),
        confidence_level=confidence,
        method="percentile",
        rng=generator,
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _half_width(tail: float, errors: tuple[StandardError, ...], floor: StandardError | None) -> float:
    """How far the interval that leaves out `tail` (at most 0.5) on either side reaches from its estimate."""
    combined = math.hypot(*(stdtrit(error.df, tail) * error.value for error in errors))
    return combined if floor is None else max(combined, -stdtrit(floor.df, tail) * floor.value)


def _tail(distance: float, errors: tuple[StandardError, ...], floor: StandardError | None) -> float:
    """The tail (0 to 0.5) whose interval just reaches `distance` from its estimate: one-sided p-value."""

    def excess(z: float) -> float:  # the tail is looked for on a normal scale, where its size does not matter
        return _half_width(float(ndtr(-z)), errors, floor) - distance

    if excess(0.0) >= 0:  # at the null, or closer than rounding can tell
        return 0.5
    if excess(_LARGEST_Z) <= 0:
        return 0.0
    return float(ndtr(-brentq(excess, 0.0, _LARGEST_Z, xtol=1e-13)))
