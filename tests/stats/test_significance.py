"""McNemar's test and Holm's adjustment against plain loops; error rates by simulation.

Simulated rates may exceed the nominal one by three Monte-Carlo standard errors.
"""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.stats import (
    holm,
    mcnemar,
)
from tests.support.crossed import at_most, drawn


def test_mcnemar_rejects_equal_networks_at_most_as_often_as_alpha() -> None:
    tests = [mcnemar(*drawn(seed).random((2, 200)) < 0.6) for seed in range(600)]
    for p in ([test.p_value for test in tests], [test.p_greater for test in tests]):
        assert at_most(np.mean(np.array(p) <= 0.05), 0.05, 600)
        assert np.mean(np.array(p) <= 0.05) > 0.015


def test_holm_keeps_the_family_wise_error() -> None:
    generator = drawn()
    shared = generator.normal(size=(3000, 1))
    for correlation in (0, 0.7):
        z = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * generator.normal(size=(3000, 6))
        z[:, :2] += 4  # two claims are true, four are not
        p = scipy.stats.norm.sf(z)
        wrong = np.mean([(holm(row)[2:] <= 0.05).any() for row in p])
        assert at_most(wrong, 0.05, 3000)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 5))
def test_mcnemar_equals_the_sum_over_all_ways_to_fall(only_a: int, only_b: int, both: int) -> None:
    a = np.array([1] * only_a + [0] * only_b + [1] * (both + 1))
    b = np.array([0] * only_a + [1] * only_b + [1] * (both + 1))
    count = only_a + only_b
    ways = [math.comb(count, k) / 2**count for k in range(count + 1)]
    found = mcnemar(a, b)
    assert (found.only_a, found.only_b) == (only_a, only_b)
    assert found.p_greater == pytest.approx(sum(ways[only_a:]))
    assert found.p_value == pytest.approx(min(1, 2 * sum(ways[max(only_a, only_b) :])))
    assert mcnemar(b, a).p_value == pytest.approx(found.p_value)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])  # 3 x 0.01; 2 x 0.03; 0.04, kept monotone
    assert holm([0.01, 0.02, 0.03, 0.5]) == pytest.approx([0.04, 0.06, 0.06, 0.5])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([0.6, 0.7, 0.02]) == pytest.approx([1, 1, 0.06])
    assert holm([0.05]) == pytest.approx([0.05])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(p: list[float]) -> None:
    """A claim's adjusted p is the largest Bonferroni p of all sets of claims that contain it."""
    subsets = [s for size in range(1, len(p) + 1) for s in itertools.combinations(range(len(p)), size)]
    closed = [max(min(1, len(s) * min(p[k] for k in s)) for s in subsets if claim in s) for claim in range(len(p))]
    assert holm(p) == pytest.approx(closed)
    assert (holm(p) + 1e-15 >= scipy.stats.false_discovery_control(p)).all()
