"""Holm's adjustment against the closed test; error rates of McNemar's test and of Holm's adjustment by simulation.

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


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(p: list[float]) -> None:
    """A claim's adjusted p is the largest Bonferroni p of all sets of claims that contain it."""
    subsets = [s for size in range(1, len(p) + 1) for s in itertools.combinations(range(len(p)), size)]
    closed = [max(min(1, len(s) * min(p[k] for k in s)) for s in subsets if claim in s) for claim in range(len(p))]
    assert holm(p) == pytest.approx(closed)
    assert (holm(p) + 1e-15 >= scipy.stats.false_discovery_control(p)).all()
