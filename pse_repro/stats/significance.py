"""McNemar's test for a pair of trained networks, and Holm's adjustment of several p-values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest

from pse_repro.stats.intervals import finite


@dataclass(frozen=True)
class McNemar:
    """Numbers of test images that only one of two networks classifies correctly, and the p-values of McNemar's test.

    The null hypothesis is that both numbers have the same expectation.
    """

    only_a: int
    only_b: int
    p_value: float  # two-sided
    p_greater: float  # one-sided: a is better than b


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike) -> McNemar:
    """Apply McNemar's exact test to two networks of one seed.

    correct_a, correct_b: (images,), boolean or 0 and 1, for the same test images. The exact binomial form has at most
    the nominal error rate for any number of images; with hundreds of discordant images it is as powerful as the mid-p
    form that Fagerland et al. (2013) recommend for few.

    The test compares two trained networks, not their objectives, since it does not account for retraining (Dietterich
    1998). It only describes a seed; the p-value of a claim is `paired_difference(...).p_value()` over seeds.

    Sources: Q. McNemar, Psychometrika 12, 1947; T. G. Dietterich, Neural Computation 10, 1998; M. W. Fagerland et al.,
    BMC Medical Research Methodology 13, 2013.

    Raises:
        ValueError: there is more than one seed, shapes differ, or a value is neither 0 nor 1.
    """
    a, b = finite(correct_a, "correct_a"), finite(correct_b, "correct_b")
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(
            f"shapes are {a.shape} and {b.shape}; expected (images,) for both: McNemar's test is for one seed,"
            " over seeds use paired_difference(...).p_value()"
        )
    if not (np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all()):
        raise ValueError("correct_a and correct_b must be 0 or 1 for every image")
    only_a, only_b = int((a > b).sum()), int((b > a).sum())
    if only_a + only_b == 0:
        return McNemar(0, 0, 1.0, 1.0)  # the two agree everywhere
    return McNemar(
        only_a,
        only_b,
        p_value=float(binomtest(only_a, only_a + only_b).pvalue),
        p_greater=float(binomtest(only_a, only_a + only_b, alternative="greater").pvalue),
    )


def holm(p_values: ArrayLike) -> np.ndarray:
    """Return Holm's step-down adjusted p-values (claims,), in the order given.

    If every adjusted p-value of at most alpha is rejected, the probability of any false rejection is at most alpha,
    whatever the dependence between the claims.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statistics 6, 1979.

    Raises:
        ValueError: no p-value, or one outside 0 to 1.
    """
    p = finite(p_values, "p_values")
    if p.ndim != 1 or (p < 0).any() or (p > 1).any():
        raise ValueError("p_values must be a list of numbers from 0 to 1")
    order = np.argsort(p)
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order]).clip(max=1)
    return adjusted
