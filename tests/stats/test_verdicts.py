"""Verdicts on numbers and claims against t-tests; error rates by simulation.

Simulated rates may exceed the nominal one by three Monte-Carlo standard errors.
"""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.stats import (
    ClaimVerdict,
    equivalence,
    equivalence_claim,
    equivalence_p_value,
    holm,
    mcnemar,
    mean_interval,
    superiority_claim,
)
from tests.support.crossed import at_most, difference, drawn, interval


@pytest.mark.parametrize(
    ("seeds", "tolerance", "target_sd"), [(3, 4, 0), (5, 2, 0), (5, 0.01, 0), (3, 6, 1), (5, 3, 1)]
)
def test_a_mean_on_the_edge_of_its_tolerance_is_misjudged_at_most_as_often_as_alpha(
    seeds: int, tolerance: float, target_sd: float
) -> None:
    """At the edge of the tolerance, either verdict is wrong with a probability of at most alpha."""
    generator = drawn(seeds)
    targets = generator.normal(50, target_sd, 1000)
    runs = generator.normal(50 + tolerance, 1, (1000, seeds))
    found = [
        equivalence(values, target, tolerance, target_sd=target_sd).verdict
        for values, target in zip(runs, targets, strict=True)
    ]
    for verdict in ("reproduced", "not reproduced"):
        assert at_most(found.count(verdict) / 1000, 0.05, 1000)
    assert found.count("not reproduced") > 5


def test_claims_are_misjudged_at_most_as_often_as_alpha() -> None:
    """Error rates for a claim of +3 points: "holds" with no effect, "fails" if it is just true; and for equivalence."""
    generator, found, little = drawn(), {0: [], 3: []}, []
    for _ in range(600):
        noise = generator.normal(0, 0.01, (3, 1)) + generator.normal(0, 0.1, (3, 100))
        for effect, verdicts in found.items():
            interval = difference(effect / 100 + noise, np.zeros((3, 100)))
            verdicts.append(superiority_claim(interval, interval.p_value(), minimum=3).verdict)
        little.append(equivalence_claim([interval], equivalence_p_value([interval], 3), margin=3).verdict)
    assert at_most(found[0].count("holds") / 600, 0.025, 600)
    assert at_most(found[3].count("fails") / 600, 0.025, 600)
    assert at_most(little.count("holds") / 600, 0.05, 600)
    assert at_most(little.count("fails") / 600, 0.05, 600)


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=6, unique=True), st.floats(-3, 3), st.floats(0.1, 6))
def test_equivalence_equals_two_t_tests_and_two_intervals(values: list[float], target: float, tolerance: float) -> None:
    values = [round(value, 3) + k / 100 for k, value in enumerate(values)]
    found = equivalence(values, target, tolerance)
    below = scipy.stats.ttest_1samp(values, target - tolerance, alternative="greater").pvalue
    above = scipy.stats.ttest_1samp(values, target + tolerance, alternative="less").pvalue
    assert found.p_reproduced == pytest.approx(max(below, above), abs=1e-9)
    assert found.p_not_reproduced == pytest.approx(min(1, 2 * min(1 - below, 1 - above)), abs=1e-9)
    narrow, wide = mean_interval(values, confidence=0.9), found.mean
    inside = abs(narrow.low - target) <= tolerance and abs(narrow.high - target) <= tolerance
    outside = wide.low > target + tolerance or wide.high < target - tolerance
    assert found.verdict == ("reproduced" if inside else "not reproduced" if outside else "undecided")


def test_noise_of_the_published_run_widens_what_the_tolerance_is_held_against() -> None:
    values = [50.1, 50.3, 50.2]
    assert equivalence(values, 49.0, 0.5).verdict == "not reproduced"
    assert equivalence(values, 49.0, 0.5, target_sd=0.6).verdict == "undecided"
    assert equivalence(values, 50.0, 1.0, target_sd=0.3).verdict == "reproduced"
    assert equivalence(values, 50.0, 1.0, target_sd=0.3).mean == mean_interval(values)


@pytest.mark.parametrize(
    ("estimate", "half", "p", "minimum", "verdict"),
    [
        (3, 2, 0.01, 0, "holds"),
        (3, 2, 0.01, 3, "holds"),
        (3, 2, 0.06, 0, "undecided"),  # not after Holm
        (3, 4, 0.2, 0, "undecided"),
        (3, 2, 0.01, 4, "undecided"),  # right direction, too small, and 4 is not excluded
        (3, 2, 0.01, 6, "fails"),  # right direction, 6 is excluded
        (-3, 2, 0.01, 0, "fails"),
        (-3, 4, 0.01, 0, "undecided"),
        (0, 2, 0.01, 0, "undecided"),
        (0, 0, 1, 0, "fails"),  # exactly no difference
    ],
)
def test_verdicts_on_a_claim_of_superiority(
    estimate: float, half: float, p: float, minimum: float, verdict: str
) -> None:
    assert superiority_claim(interval(estimate, half), p, minimum=minimum).verdict == verdict
    mirrored = superiority_claim(interval(-estimate, half), p, minimum=minimum, direction="less")
    assert mirrored.verdict == verdict


@pytest.mark.parametrize(("seeds", "said"), [(1, "1 seed;"), (2, "2 seeds;")])
def test_fewer_than_three_seeds_never_make_a_claim_hold_or_fail(seeds: int, said: str) -> None:
    reason = f"{said} a verdict needs at least 3"
    for estimate in (-9, 9):
        few = interval(estimate, 0.1, seeds=seeds)
        assert superiority_claim(few, 0.0) == ClaimVerdict("undecided", reason)
        assert superiority_claim(interval(estimate, 0.1), 0.0).verdict == ("holds" if estimate > 0 else "fails")
        assert equivalence_claim([interval(0, 0.1), few], 0.0, margin=1) == ClaimVerdict("undecided", reason)
    assert equivalence_claim([few], 1.0, margin=1) == ClaimVerdict("undecided", reason)  # far outside
    assert equivalence_claim([interval(9, 0.1)], 1.0, margin=1).verdict == "fails"


def test_one_seed_is_no_evidence_of_equivalence() -> None:
    assert equivalence_p_value([interval(0, 0.1), interval(0, 0.1, seeds=1)], 1) == 1


@pytest.mark.parametrize(
    ("others", "verdict"),
    [
        ([0.1], "holds"),
        ([0.8], "undecided"),
        ([5], "fails"),
        ([5, 0, 0], "fails"),
        ([1.45], "fails"),
        ([1.45, 0, 0], "undecided"),
    ],
)
def test_verdicts_on_a_claim_that_it_matters_little(others: list[float], verdict: str) -> None:
    differences = [interval(estimate, 0.3) for estimate in (-0.2, *others)]
    p = equivalence_p_value(differences, 1)
    assert equivalence_claim(differences, p, margin=1).verdict == verdict


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: difference(np.array([1, np.nan]), np.ones(2)), "correct_a has 1 values that are NaN"),
        (lambda: difference(np.ones(3), np.ones(4)), "shapes are"),
        (lambda: difference(np.ones((2, 1)), np.ones((2, 1))), "one test image"),
        (lambda: difference(np.ones((1, 2, 3)), np.ones((1, 2, 3))), "shapes are"),
        (lambda: difference(np.eye(3), np.ones((3, 3)), confidence=95), "confidence is 95"),
        (lambda: mcnemar(np.ones((2, 9)), np.ones((2, 9))), "paired_difference"),
        (lambda: mcnemar(np.full(9, 0.5), np.ones(9)), "0 or 1"),
        (lambda: mean_interval([]), "values is empty"),
        (lambda: mean_interval(np.ones((2, 2))), r"expected \(seeds,\)"),
        (lambda: equivalence([1, 2], 1, 1), "at least 3"),
        (lambda: equivalence([1, 2, math.inf], 1, 1), "NaN or infinite"),
        (lambda: equivalence([1, 2, 3], 1, 0), "tolerance 0"),
        (lambda: equivalence([1, 2, 3], math.nan, 1), "target is nan"),
        (lambda: equivalence([1, 2, 3], 1, 1, alpha=0.5), "alpha is 0.5"),
        (lambda: holm([0.1, 1.2]), "from 0 to 1"),
        (lambda: holm([0.1, math.nan]), "NaN"),
        (lambda: superiority_claim(interval(1, 1), math.nan), "adjusted p is nan"),
        (lambda: superiority_claim(interval(1, 1), 0.1, minimum=-1), "minimum is -1"),
        (lambda: equivalence_p_value([], 1), "0 differences"),
        (lambda: equivalence_claim([interval(1, 1)], 0.1, margin=0), "margin 0"),
    ],
)
def test_what_is_refused(call: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((4.9, 5.0, 5.1), "holds"),
        ((-4.9, -5.0, -5.1), "holds"),
        ((0.1, 0.0, -0.1), "fails"),
        ((1.0, 0.95, 1.05), "undecided"),  # told from 0 and perhaps below 1
        ((-3.0, 0.0, 3.0), "undecided"),
    ],
)
def test_a_difference_in_either_direction(values: tuple[float, ...], verdict: str) -> None:
    found = mean_interval(values)
    assert superiority_claim(found, found.p_value(), minimum=1.01, direction="either").verdict == verdict
    mirrored = mean_interval([-value for value in values])
    assert superiority_claim(mirrored, mirrored.p_value(), minimum=1.01, direction="either").verdict == verdict
