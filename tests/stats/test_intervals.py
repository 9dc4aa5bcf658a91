"""Intervals against closed forms, plain loops and SciPy; coverage by simulation.

Simulated rates may exceed the nominal one by three Monte-Carlo standard errors.
"""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit

from pse_repro.stats import (
    equivalence,
    images_interval,
    mcnemar,
    mean_interval,
    paired_difference,
)
from tests.support.crossed import at_most, difference, drawn

# Variances of seed, image and rest; seed is per accuracy of 100 images, so that 1 is as much as 100 images' noise.
CROSSED = {
    "images only": (0, 1, 0),
    "rest only": (0, 0, 1),
    "images, rest": (0, 0.5, 0.5),
    "equal": (1, 0.5, 0.5),
    "mostly seeds": (10, 0.1, 0.9),
    "seeds only": (100, 0.01, 0),
}


def correctness(seeds: int, images: int, seed: int = 0, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Simulate the correctness (seeds, images) of two models, with shared and own effects of images and seeds."""
    generator = drawn(seed)
    difficulty = generator.normal(0, 1, images)
    a, b = (
        difficulty
        + generator.normal(0, 0.3, images)
        + generator.normal(0, 0.3, (seeds, 1))
        + generator.normal(0, 0.7, (seeds, images))
        for _ in range(2)
    )
    return a + shift > 0, b > 0


def test_one_seed_is_the_paired_bootstrap_over_images_and_concludes_nothing() -> None:
    (a,), (b,) = correctness(1, 400)
    found = difference(a, b)
    d = 100 * (a.astype(float) - b)
    generator = drawn(1)
    means = [d[generator.integers(0, 400, 400)].mean() for _ in range(4000)]
    assert found.estimate == pytest.approx(d.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(means, (2.5, 97.5))), abs=0.4)
    assert (found.seeds, found.p_value(), found.p_value(50, "less")) == (1, 1, 1)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_several_seeds_equal_the_mean_squares_of_a_two_way_layout(seeds: int) -> None:
    a, b = correctness(seeds, 80)
    found = difference(a, b)
    d = 100 * (a.astype(float) - b)
    mean, rows, columns = d.mean(), d.mean(1), d.mean(0)
    by_seed = 80 * sum((row - mean) ** 2 for row in rows) / (seeds - 1)
    by_image = seeds * sum((column - mean) ** 2 for column in columns) / 79
    rest = sum((d[s, i] - rows[s] - columns[i] + mean) ** 2 for s in range(seeds) for i in range(80))
    shared = max(0, by_image - rest / ((seeds - 1) * 79))
    t_seeds, t_images = stdtrit(seeds - 1, 0.975), stdtrit(79, 0.975)
    half = math.sqrt((t_seeds**2 * by_seed + t_images**2 * shared) / (80 * seeds))
    half = max(half, t_images * math.sqrt(by_image / (80 * seeds)))
    assert (found.estimate, found.low, found.high) == pytest.approx((mean, mean - half, mean + half))


def test_without_noise_over_images_it_is_the_t_test_of_the_seeds() -> None:
    a = np.repeat([[0.5], [0.53], [0.56], [0.50]], 20, axis=1)
    found, reference = difference(a, np.full_like(a, 0.5)), scipy.stats.ttest_1samp([0, 3, 6, 0], 0)
    assert (found.low, found.high) == pytest.approx(tuple(reference.confidence_interval(0.95)))
    assert found.p_value() == pytest.approx(reference.pvalue)


def test_without_noise_over_seeds_it_is_the_t_test_of_the_images() -> None:
    (a,), (b,) = correctness(1, 60)
    found = difference(np.tile(a, (3, 1)), np.tile(b, (3, 1)))
    reference = scipy.stats.ttest_1samp(100 * (a.astype(float) - b), 0)
    assert (found.low, found.high) == pytest.approx(tuple(reference.confidence_interval(0.95)))
    assert found.p_value() == pytest.approx(reference.pvalue)


def test_closed_form_over_images_is_the_bootstrap() -> None:
    a, b = correctness(3, 500)
    d = 100 * (a.astype(float) - b).mean(axis=0)
    means = drawn().choice(d, (4000, 500)).mean(axis=1)
    floor = difference(a, b).floor
    assert floor is not None
    assert floor.value == pytest.approx(means.std(), rel=0.04)


@pytest.mark.parametrize("seeds", [2, 3])
def test_p_value_is_where_the_interval_just_excludes_the_null(seeds: int) -> None:
    a, b = correctness(seeds, 200, shift=0.4)
    for null in (0.0, -3.0, 20.0):
        p = difference(a, b).p_value(null)
        at_p = difference(a, b, confidence=1 - p)
        assert min(abs(at_p.low - null), abs(at_p.high - null)) == pytest.approx(0, abs=1e-6)
        less, greater = (difference(a, b).p_value(null, side) for side in ("less", "greater"))
        assert (less + greater, 2 * min(less, greater)) == pytest.approx((1, p))


def test_one_seed_misled_and_two_do_not() -> None:
    """README: +2.35 points, interval 0.60 to 4.25; the second seed has -2.45."""
    b = np.zeros((2, 2000))
    a = np.array([[1] * 183 + [-1] * 136 + [0] * 1681, [-1] * 184 + [1] * 135 + [0] * 1681])
    assert difference(a[0], b[0]).low > 0.4
    both = difference(a, b)
    assert (both.estimate, both.seeds) == (pytest.approx(-0.05), 2)
    assert both.low < -25
    assert both.high > 25


@pytest.mark.parametrize("variances", CROSSED.values(), ids=CROSSED)
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_covers_at_least_as_often_as_it_says(seeds: int, variances: tuple[float, float, float]) -> None:
    generator, missed = drawn(seeds), 0
    by_seed, by_image, rest = np.sqrt(variances)
    for _ in range(1000):
        d = by_seed / 10 * generator.normal(size=(seeds, 1)) + by_image * generator.normal(size=100)
        found = difference(2 + d + rest * generator.normal(size=(seeds, 100)), np.zeros((seeds, 100)))
        missed += not found.low <= 200 <= found.high
    assert at_most(missed / 1000, 0.05, 1000)
    assert missed > 0  # at or slightly above: it is not so wide that it says nothing


def test_satterthwaite_s_interval_covers_too_little_where_banerjee_s_does_not() -> None:
    generator, count = drawn(), 100_000
    z = np.abs(generator.normal(size=count))
    for seeds, satterthwaites in ((2, 0.88), (3, 0.93)):
        between = 0.9 * generator.chisquare(seeds - 1, count) / (seeds - 1)
        df = (between + 0.1) ** 2 / (between**2 / (seeds - 1))
        half = stdtrit(np.minimum(df, 1e6), 0.975) * np.sqrt(between + 0.1)
        banerjee = np.sqrt(stdtrit(seeds - 1, 0.975) ** 2 * between + 1.96**2 * 0.1)
        assert (z <= half).mean() < satterthwaites
        assert 0.95 < (z <= banerjee).mean() < 0.97


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_models_that_are_equally_good_differ_significantly_as_often_as_alpha(seeds: int) -> None:
    p = [difference(*correctness(seeds, 150, seed)).p_value() for seed in range(1000)]
    for alpha in (0.01, 0.05, 0.2):
        assert at_most(np.mean(np.array(p) <= alpha), alpha, 1000)


def test_the_bootstrap_of_one_seed_covers_the_difference_of_these_networks() -> None:
    generator, missed = drawn(), 0
    for _ in range(300):
        d = generator.choice([-1, 0, 1], 300, p=[0.1, 0.75, 0.15])
        found = paired_difference(d, np.zeros(300), draws=500, generator=generator)
        missed += not found.low <= 5 <= found.high
    assert at_most(missed / 300, 0.05, 300)
    assert missed > 3


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_t_interval_covers_as_often_as_it_says(seeds: int) -> None:
    intervals = [mean_interval(values) for values in drawn().normal(7, 2, (2000, seeds))]
    missed = np.mean([not interval.low <= 7 <= interval.high for interval in intervals])
    assert missed == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 2000))


def test_mean_interval_is_student_s() -> None:
    values = [51.2, 49.9, 50.4, 51.0]
    found, reference = mean_interval(values, confidence=0.9), scipy.stats.ttest_1samp(values, 50)
    assert (found.low, found.high) == pytest.approx(tuple(reference.confidence_interval(0.9)))
    assert found.p_value(50) == pytest.approx(reference.pvalue)
    one = mean_interval([3.0])
    assert (one.estimate, one.low, one.high, one.seeds, one.p_value()) == (3, -math.inf, math.inf, 1, 1)


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_models_without_any_difference(seeds: int) -> None:
    a, _ = correctness(seeds, 30)
    for same in (np.ones((seeds, 30), bool), a):
        found = difference(same, same)
        assert (found.estimate, found.low, found.high, found.p_value()) == (0, 0, 0, 1)
    assert mcnemar(a[0], a[0]).p_value == mcnemar(a[0], a[0]).p_greater == 1


def test_no_variance_at_all_counts_as_exact() -> None:
    found = difference(np.ones((2, 5)), np.zeros((2, 5)))
    assert (found.low, found.high, found.p_value(), found.p_value(100)) == (100, 100, 0, 1)
    assert equivalence([5, 5, 5], 5, 1).verdict == "reproduced"
    assert equivalence([7, 7, 7], 5, 1).verdict == "not reproduced"
    assert equivalence([6, 6, 6], 5, 1).verdict == "undecided"  # on the edge itself


def test_seeds_that_agree_by_chance_leave_the_noise_of_the_images() -> None:
    a = np.array([[1, 0, 0, 1, 0, 1, 0, 0], [0, 1, 0, 1, 0, 0, 1, 0]])
    found = difference(a, np.zeros_like(a))
    assert found.errors[0].value == 0
    assert found.low < 30 < 45 < found.high


@given(st.integers(1, 4), st.integers(2, 40), st.integers(0, 1000))
def test_order_does_not_matter_and_swapping_flips_the_sign(seeds: int, images: int, seed: int) -> None:
    a, b = correctness(seeds, images, seed)
    found = difference(a, b, draws=200)
    image_order, seed_order = drawn(seed).permutation(images), drawn(seed).permutation(seeds)
    for order in (np.ix_(range(seeds), image_order), np.ix_(seed_order, range(images))):
        other = difference(a[order], b[order], draws=200)
        assert (other.estimate, other.low, other.high) == pytest.approx((found.estimate, found.low, found.high))
        assert other.p_value() == pytest.approx(found.p_value())
    swapped = difference(b, a, draws=200)
    assert swapped.estimate == pytest.approx(-found.estimate)
    assert swapped.p_value() == pytest.approx(found.p_value())
    if seeds > 1:  # the bootstrap of one seed draws others
        assert (swapped.low, swapped.high) == pytest.approx((-found.high, -found.low))
    assert found.low <= found.estimate <= found.high


@settings(max_examples=15, deadline=None)
@given(st.integers(50, 400), st.floats(0, 1))
def test_the_interval_over_images_is_the_bootstraps(images: int, share: float) -> None:
    correct = np.arange(images) < round(share * images)
    drawn = paired_difference(correct, np.zeros(images), generator=np.random.default_rng(0))
    step = 100 / images  # both are whole images; a quantile of 10,000 draws may fall on the next
    assert images_interval(100 * correct.mean(), images) == pytest.approx((drawn.low, drawn.high), abs=1.01 * step)
