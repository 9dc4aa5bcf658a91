"""Pooled variance over seeds: its definition, and error rates by simulation."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pse_repro.stats import PooledVariance, paired_difference, pooled_variance
from pse_repro.stats.intervals import interval_of, seeds_error
from tests.support.crossed import at_most, drawn

STRICTEST = 0.05 / 6  # Holm's first step for six claims
scores = st.tuples(st.integers(3, 7), st.integers(2, 10)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(0, 100))
)


@given(scores)
def test_it_is_the_mean_variance_of_all_differences_between_two_models(scores_MS: np.ndarray) -> None:
    pooled = pooled_variance(scores_MS)
    assert pooled is not None
    pairs = combinations(scores_MS, 2)
    assert pooled.value == pytest.approx(np.mean([(a - b).var(ddof=1) for a, b in pairs]), abs=1e-9)
    models, seeds = scores_MS.shape
    assert pooled.df == (models - 1) * (seeds - 1)


@given(scores, st.floats(-50, 50))
def test_what_all_models_of_a_seed_share_drops_out(scores_MS: np.ndarray, shift: float) -> None:
    common = scores_MS + shift * np.arange(scores_MS.shape[1])
    first, second = pooled_variance(scores_MS), pooled_variance(common)
    assert first is not None
    assert second is not None
    assert second.value == pytest.approx(first.value, abs=1e-6)


@pytest.mark.parametrize("shape", [(2, 8), (5, 1)])
def test_two_models_or_one_seed_leave_nothing_to_pool(shape: tuple[int, int]) -> None:
    assert pooled_variance(np.zeros(shape)) is None


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="models, seeds"):
        pooled_variance(np.zeros(5))


@given(arrays(np.float64, 5, elements=st.floats(-10, 10)), st.floats(0, 100), st.integers(1, 30))
def test_the_error_takes_the_larger_variance_and_at_most_twice_the_pair_s_degrees(
    differences_S: np.ndarray, value: float, df: int
) -> None:
    own, both = seeds_error(differences_S), seeds_error(differences_S, PooledVariance(value, df))
    assert own.df == 4
    assert both.df == min(8, df)
    assert both.value == pytest.approx(max(own.value, (value / 5) ** 0.5))


@pytest.mark.parametrize("seeds", [3, 5, 8])
@pytest.mark.parametrize(
    ("sds", "nominal"),
    [
        ((1, 1, 1, 1, 1, 1, 1), (0.05, STRICTEST)),
        ((1.5, 1, 1, 1, 1, 1, 1), (0.05, STRICTEST)),
        ((1, 1.5, 1, 1, 1, 1, 1), (0.05, STRICTEST)),
        ((0.5, 0.5, 1, 1, 1, 1, 1), (0.05, STRICTEST)),
        ((2, 2, 1, 1, 1, 1, 1), (0.068, 0.0155)),  # beyond what is promised; the module states how far
    ],
)
def test_equal_models_differ_as_often_as_alpha(
    seeds: int, sds: tuple[float, ...], nominal: tuple[float, float]
) -> None:
    """The first two models are compared; all share an effect of the seed that is larger than their own."""
    random, runs = drawn(seeds), 4000
    scores_RMS = random.standard_normal((runs, len(sds), seeds)) * np.array(sds)[:, None]
    scores_RMS += 3 * random.standard_normal((runs, 1, seeds))
    p_values = []
    for scores_MS in scores_RMS:
        difference_S = scores_MS[0] - scores_MS[1]
        error = seeds_error(difference_S, pooled_variance(scores_MS))
        p_values.append(interval_of(float(difference_S.mean()), (error,), seeds=seeds, confidence=0.95).p_value())
    for alpha, rate in zip((0.05, STRICTEST), nominal, strict=True):
        assert at_most(float(np.mean(np.array(p_values) <= alpha)), rate, runs)


@pytest.mark.parametrize("seeds", [3, 5])
def test_seeds_crossed_with_images_keep_the_error_rate(seeds: int) -> None:
    """Equally good models on 300 images: effects of the seed, of model x seed, of model x image, and the rest."""
    random, runs, models, images = drawn(seeds), 1200, 7, 300
    rejected = 0
    for _ in range(runs):
        of_images_MN = 0.3 * random.standard_normal((models, 1, images))
        of_seeds_MS = 0.03 * random.standard_normal((models, seeds, 1)) + 0.1 * random.standard_normal((1, seeds, 1))
        right_MSN = of_images_MN + of_seeds_MS + 0.4 * random.standard_normal((models, seeds, images))
        pooled = pooled_variance(100 * right_MSN.mean(axis=2))
        interval = paired_difference(right_MSN[0], right_MSN[1], generator=random, pooled=pooled)
        rejected += interval.p_value() <= 0.05
    assert at_most(rejected / runs, 0.05, runs)


def test_pooling_finds_more_with_the_same_seeds() -> None:
    """Five seeds and a true difference of 1.5 standard deviations of a seed, at Holm's strictest level."""
    random, runs = drawn(), 2000
    found = {"own": 0, "pooled": 0}
    for _ in range(runs):
        scores_MS = random.standard_normal((7, 5))
        difference_S = scores_MS[0] - scores_MS[1] + 3
        for name, pooled in {"own": None, "pooled": pooled_variance(scores_MS)}.items():
            error = seeds_error(difference_S, pooled)
            interval = interval_of(float(difference_S.mean()), (error,), seeds=5, confidence=0.95)
            found[name] += interval.p_value() <= STRICTEST
    assert found["pooled"] / runs > found["own"] / runs + 0.2


def test_planned_looks_keep_the_error_rate_where_unplanned_ones_do_not() -> None:
    """A run of equal models is judged after 5, 8 and 12 seeds, and stopped at the first significant difference."""
    random, runs, looks = drawn(), 4000, (5, 8, 12)
    stopped = {0.05: 0, 0.05 / len(looks): 0}
    for _ in range(runs):
        scores_MS = random.standard_normal((7, max(looks)))
        p_values = []
        for seeds in looks:
            so_far = scores_MS[:, :seeds]
            difference_S = so_far[0] - so_far[1]
            error = seeds_error(difference_S, pooled_variance(so_far))
            p_values.append(interval_of(float(difference_S.mean()), (error,), seeds=seeds, confidence=0.95).p_value())
        for alpha in stopped:
            stopped[alpha] += min(p_values) <= alpha
    assert at_most(stopped[0.05 / len(looks)] / runs, 0.05, runs)
    assert stopped[0.05] / runs > 0.06
