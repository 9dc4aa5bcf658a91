"""Statistics against closed forms, plain loops and SciPy; error rates by simulation.

Simulated rates may exceed the nominal one by three Monte-Carlo standard errors.
"""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit

from pse_repro.stats import (
    Interval,
    StandardError,
    equivalence,
    equivalence_claim,
    equivalence_p_value,
    holm,
    images_interval,
    mcnemar,
    mean_interval,
    paired_difference,
    superiority_claim,
)

# Variances of seed, image and rest; seed is per accuracy of 100 images, so that 1 is as much as 100 images' noise.
CROSSED = {
    "images only": (0, 1, 0),
    "rest only": (0, 0, 1),
    "images, rest": (0, 0.5, 0.5),
    "equal": (1, 0.5, 0.5),
    "mostly seeds": (10, 0.1, 0.9),
    "seeds only": (100, 0.01, 0),
}


def drawn(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


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


def at_most(rate: float, nominal: float, count: int) -> bool:
    return rate <= nominal + 3 * math.sqrt(nominal * (1 - nominal) / count)


def difference(a: np.ndarray, b: np.ndarray, **options: float) -> Interval:
    return paired_difference(a, b, generator=drawn(), **options)


# Paired difference: references


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


# Error rates


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


def test_mcnemar_rejects_equal_networks_at_most_as_often_as_alpha() -> None:
    tests = [mcnemar(*drawn(seed).random((2, 200)) < 0.6) for seed in range(600)]
    for p in ([test.p_value for test in tests], [test.p_greater for test in tests]):
        assert at_most(np.mean(np.array(p) <= 0.05), 0.05, 600)
        assert np.mean(np.array(p) <= 0.05) > 0.015


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_t_interval_covers_as_often_as_it_says(seeds: int) -> None:
    intervals = [mean_interval(values) for values in drawn().normal(7, 2, (2000, seeds))]
    missed = np.mean([not interval.low <= 7 <= interval.high for interval in intervals])
    assert missed == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 2000))


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


def test_holm_keeps_the_family_wise_error() -> None:
    generator = drawn()
    shared = generator.normal(size=(3000, 1))
    for correlation in (0, 0.7):
        z = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * generator.normal(size=(3000, 6))
        z[:, :2] += 4  # two claims are true, four are not
        p = scipy.stats.norm.sf(z)
        wrong = np.mean([(holm(row)[2:] <= 0.05).any() for row in p])
        assert at_most(wrong, 0.05, 3000)


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


# McNemar, Holm, equivalence: references


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
    assert found.verdict == ("reproduced" if inside else "not reproduced" if outside else "inconclusive")


def test_noise_of_the_published_run_widens_what_the_tolerance_is_held_against() -> None:
    values = [50.1, 50.3, 50.2]
    assert equivalence(values, 49.0, 0.5).verdict == "not reproduced"
    assert equivalence(values, 49.0, 0.5, target_sd=0.6).verdict == "inconclusive"
    assert equivalence(values, 50.0, 1.0, target_sd=0.3).verdict == "reproduced"
    assert equivalence(values, 50.0, 1.0, target_sd=0.3).mean == mean_interval(values)


def test_mean_interval_is_student_s() -> None:
    values = [51.2, 49.9, 50.4, 51.0]
    found, reference = mean_interval(values, confidence=0.9), scipy.stats.ttest_1samp(values, 50)
    assert (found.low, found.high) == pytest.approx(tuple(reference.confidence_interval(0.9)))
    assert found.p_value(50) == pytest.approx(reference.pvalue)
    one = mean_interval([3.0])
    assert (one.estimate, one.low, one.high, one.seeds, one.p_value()) == (3, -math.inf, math.inf, 1, 1)


# Claims


def interval(estimate: float, half: float, seeds: int = 3) -> Interval:
    error = StandardError(half / -stdtrit(seeds - 1, 0.025), seeds - 1) if seeds > 1 else StandardError(0, 0)
    return Interval(estimate, estimate - half, estimate + half, 0.95, seeds, (error,))


@pytest.mark.parametrize(
    ("estimate", "half", "p", "minimum", "verdict"),
    [
        (3, 2, 0.01, 0, "holds"),
        (3, 2, 0.01, 3, "holds"),
        (3, 2, 0.06, 0, "inconclusive"),  # not after Holm
        (3, 4, 0.2, 0, "inconclusive"),
        (3, 2, 0.01, 4, "inconclusive"),  # right direction, too small, and 4 is not excluded
        (3, 2, 0.01, 6, "fails"),  # right direction, 6 is excluded
        (-3, 2, 0.01, 0, "fails"),
        (-3, 4, 0.01, 0, "inconclusive"),
        (0, 2, 0.01, 0, "inconclusive"),
        (0, 0, 1, 0, "fails"),  # exactly no difference
    ],
)
def test_verdicts_on_a_claim_of_superiority(
    estimate: float, half: float, p: float, minimum: float, verdict: str
) -> None:
    assert superiority_claim(interval(estimate, half), p, minimum=minimum).verdict == verdict
    mirrored = superiority_claim(interval(-estimate, half), p, minimum=minimum, direction="less")
    assert mirrored.verdict == verdict


def test_one_seed_never_makes_a_claim_hold_or_fail() -> None:
    for estimate in (-9, 9):
        one = interval(estimate, 0.1, seeds=1)
        verdict = superiority_claim(one, 0.0)
        assert (verdict.verdict, "one seed" in verdict.reason) == ("inconclusive", True)
        assert equivalence_claim([interval(0, 0.1), one], 0.0, margin=1).verdict == "inconclusive"
    assert equivalence_p_value([interval(0, 0.1), interval(0, 0.1, seeds=1)], 1) == 1


@pytest.mark.parametrize(
    ("others", "verdict"),
    [
        ([0.1], "holds"),
        ([0.8], "inconclusive"),
        ([5], "fails"),
        ([5, 0, 0], "fails"),
        ([1.45], "fails"),
        ([1.45, 0, 0], "inconclusive"),
    ],
)
def test_verdicts_on_a_claim_that_it_matters_little(others: list[float], verdict: str) -> None:
    differences = [interval(estimate, 0.3) for estimate in (-0.2, *others)]
    p = equivalence_p_value(differences, 1)
    assert equivalence_claim(differences, p, margin=1).verdict == verdict


# Degenerate input, invariances


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
    assert equivalence([6, 6, 6], 5, 1).verdict == "inconclusive"  # on the edge itself


def test_seeds_that_agree_by_chance_leave_the_noise_of_the_images() -> None:
    a = np.array([[1, 0, 0, 1, 0, 1, 0, 0], [0, 1, 0, 1, 0, 0, 1, 0]])
    found = difference(a, np.zeros_like(a))
    assert found.errors[0].value == 0
    assert found.low < 30 < 45 < found.high


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
