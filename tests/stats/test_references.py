"""Intervals, equivalence tests, McNemar's test and Holm's adjustment equal those of statsmodels.

P-values of t-tests agree to 1e-12, those of Holm and McNemar and the intervals to 1e-12 of their value.
"""

import gc
import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_of_statsmodels
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import binom_test
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

from pse_repro.stats import equivalence, equivalence_p_value, holm, mcnemar, mean_interval

P_VALUE = {"rel": 0, "abs": 1e-12}
margins = st.floats(0.2, 5)
# The mean's distance from one bound, in standard errors; below 0 it is outside. The other bound is often far away.
distances = st.floats(-6, 6)
bounds = st.sampled_from([-1, 1])


@st.composite
def samples(draw: st.DrawFn) -> np.ndarray:
    """Draw a few values, in percent, that are not all the same."""
    values = np.array(draw(st.lists(st.integers(0, 1000), min_size=3, max_size=8))) / 10
    assume(values.std() > 0.1)
    return values


def off_centre(values: np.ndarray, margin: float, bound: int, distance: float) -> float:
    """Return the target whose upper (1) or lower (-1) bound the mean is within by `distance` standard errors."""
    return float(values.mean() - bound * (margin - distance * values.std(ddof=1) / math.sqrt(len(values))))


@pytest.fixture(scope="module")
def frozen_heap() -> Iterator[None]:
    """Exempt what is in memory from collection: `multipletests` collects garbage at every call, in half a second."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("frozen_heap")
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@example([0.01, 0.04, 0.03, 0.04])
@example([0.5, 0.9, 0.02, 0.0, 1.0])
def test_holm(p_values: list[float]) -> None:
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1], rtol=1e-12, atol=0)


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 5), st.integers(0, 5))
@example(0, 0, 1, 0)
@example(7, 7, 0, 1)
@example(1, 12, 3, 0)
def test_mcnemar(only_a: int, only_b: int, both: int, neither: int) -> None:
    assume(only_a + only_b + both + neither)
    a, b = np.repeat([[1, 0, 1, 0], [0, 1, 1, 0]], [only_a, only_b, both, neither], axis=1)
    found = mcnemar(a, b)
    assert (found.only_a, found.only_b) == (only_a, only_b)
    two_sided = mcnemar_of_statsmodels([[both, only_a], [only_b, neither]], exact=True).pvalue
    assert found.p_value == pytest.approx(two_sided, rel=1e-12, abs=0)
    larger = binom_test(only_a, only_a + only_b, 0.5, alternative="larger")
    assert found.p_greater == pytest.approx(larger, rel=1e-12, abs=0)


@given(samples(), margins, bounds, distances)
@example(np.array([50.0, 51.0, 53.0]), 4.0, 1, 1.0)
@example(np.array([50.0, 51.0, 53.0]), 4.0, -1, 1.0)
@example(np.array([50.0, 51.0, 53.0]), 0.2, -1, -1.0)
def test_equivalence_with_a_target_off_centre(
    values: np.ndarray, tolerance: float, bound: int, distance: float
) -> None:
    target = off_centre(values, tolerance, bound, distance)
    low, high = target - tolerance, target + tolerance
    found, reference = equivalence(values, target, tolerance), DescrStatsW(values)
    assert found.p_reproduced == pytest.approx(reference.ttost_mean(low, high)[0], **P_VALUE)
    # statsmodels tests each side alone; here both count, so the smaller p-value is doubled.
    outside = min(reference.ttest_mean(low, "smaller")[1], reference.ttest_mean(high, "larger")[1])
    assert found.p_not_reproduced == pytest.approx(min(1, 2 * outside), **P_VALUE)


@given(samples(), margins, bounds, distances)
@example(np.array([50.0, 51.0, 53.0]), 4.0, 1, 1.0)
@example(np.array([50.0, 51.0, 53.0]), 4.0, -1, 1.0)
def test_equivalence_of_pairs_off_centre(values: np.ndarray, margin: float, bound: int, distance: float) -> None:
    noise = np.linspace(-3, 4, len(values))
    first, second = values + noise, noise + off_centre(values, margin, bound, distance)
    found = equivalence_p_value([mean_interval(first - second)], margin)
    assert found == pytest.approx(ttost_paired(first, second, -margin, margin)[0], **P_VALUE)


@given(st.lists(samples().map(lambda values: values - 50), min_size=1, max_size=4), margins)
def test_equivalence_of_several_is_that_of_the_worst(differences: list[np.ndarray], margin: float) -> None:
    found = equivalence_p_value([mean_interval(values) for values in differences], margin)
    worst = max(DescrStatsW(values).ttost_mean(-margin, margin)[0] for values in differences)
    assert found == pytest.approx(worst, **P_VALUE)


@given(samples(), st.floats(0.5, 0.999), distances)
def test_the_interval_of_a_mean_and_its_p_values(values: np.ndarray, confidence: float, distance: float) -> None:
    found, reference = mean_interval(values, confidence=confidence), DescrStatsW(values)
    limits = reference.tconfint_mean(alpha=1 - confidence)
    assert (found.low, found.high) == pytest.approx(limits, rel=0, abs=1e-12 * np.abs(limits).max())
    null = off_centre(values, 0, 1, distance)
    assert found.p_value(null) == pytest.approx(reference.ttest_mean(null)[1], **P_VALUE)
    assert found.p_value(null, "greater") == pytest.approx(reference.ttest_mean(null, "larger")[1], **P_VALUE)
    assert found.p_value(null, "less") == pytest.approx(reference.ttest_mean(null, "smaller")[1], **P_VALUE)
