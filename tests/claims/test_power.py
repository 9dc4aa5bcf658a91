"""The power of a study for its claims: the judge's arithmetic for many runs at once."""

import numpy as np
import pytest

from pse_repro.claims import load_claims
from pse_repro.claims.judge import ALPHA
from pse_repro.claims.power import (
    DRAWS,
    IMAGES_SE,
    WORLDS,
    _judged,
    _Measured,
    _Runs,
    claims_power,
    decidable_claims,
    simulate_claims,
)
from pse_repro.stats import (
    Interval,
    StandardError,
    equivalence_claim,
    equivalence_p_value,
    holm,
    pooled_variance,
    superiority_claim,
)
from pse_repro.stats.intervals import interval_of, seeds_error
from pse_repro.study.load import load_study

SEVEN = ["cnn-mse", "cnn-pse-3", "cnn-pse-4", "cnn-pse-5", "cnn-pse-6", "resnet-mse", "resnet-pse-3"]
BOTH = ("finetune", "frozen")
CLAIMS = load_claims()


def interval(measured: _Measured, draw: int, seeds: int) -> Interval:
    """Return the interval that the judge would have for a part in one draw."""
    seeds_part = StandardError(float(measured.seeds_error_D[draw]), measured.df)
    errors = (seeds_part, StandardError(measured.images_error, np.inf)) if measured.images_error else (seeds_part,)
    return interval_of(float(measured.estimate_D[draw]), errors, seeds=seeds, confidence=1 - ALPHA)


@pytest.mark.parametrize(("seeds", "effect"), [(3, 1.0), (5, 1.0), (5, 0.0), (8, 0.5)])
def test_claims_hold_and_fail_where_the_judge_s_own_functions_say_so(seeds: int, effect: float) -> None:
    """Slow twin: p-values, Holm and verdicts of pse_repro.stats, draw by draw."""
    runs = _Runs(seeds, effect, 1.0, np.random.default_rng(0))
    claims = [[runs.measure(part) for part in claim.parts()] for claim in CLAIMS]
    holds_CD, fails_CD = _judged(claims)
    for draw in range(0, DRAWS, 20):
        intervals = [[interval(part, draw, seeds) for part in parts] for parts in claims]
        pairs = [list(zip(own, parts, strict=True)) for own, parts in zip(intervals, claims, strict=True)]
        adjusted = holm([max(p_value(each, part) for each, part in own) for own in pairs])
        holds = [
            all(verdict(each, part, p) == "holds" for each, part in own) for own, p in zip(pairs, adjusted, strict=True)
        ]
        fails = [min(holm([p_against(each, part) for each, part in own])) <= ALPHA for own in pairs]
        assert holds == holds_CD[:, draw].tolist()
        assert fails == fails_CD[:, draw].tolist()


def p_value(own: Interval, part: _Measured) -> float:
    margin = part.part.statement.margin
    return equivalence_p_value([own], margin) if margin else own.p_value()


def p_against(own: Interval, part: _Measured) -> float:
    """As in claims/measure.py; the estimate is in the claimed direction already."""
    statement = part.part.statement
    if statement.margin:
        return min(1.0, 2 * min(own.p_value(statement.margin, "greater"), own.p_value(-statement.margin, "less")))
    return min(1.0, 2 * own.p_value(statement.minimum, "less"))


def verdict(own: Interval, part: _Measured, adjusted: float) -> str:
    statement = part.part.statement
    if statement.margin:
        return equivalence_claim([own], adjusted, margin=statement.margin).verdict
    return superiority_claim(own, adjusted, minimum=statement.minimum).verdict


def test_the_variance_of_a_part_is_the_judge_s() -> None:
    runs = _Runs(5, 1.0, 1.0, np.random.default_rng(1))
    for part in (CLAIMS[0].parts()[0], CLAIMS[2].parts()[1]):
        measured = runs.measure(part)
        for draw in range(20):
            scores_MS = runs.scores_DMS[part.plus[0].evaluation][draw]
            if part.statement.kind == "gain":
                larger, smaller = part.statement.evaluations
                scores_MS = runs.scores_DMS[larger][draw] - runs.scores_DMS[smaller][draw]
            a, b = (scores_MS[runs.models[side.model]] for side in (part.plus[0], part.minus[0]))
            error = seeds_error(a - b, pooled_variance(scores_MS))
            assert measured.seeds_error_D[draw] == pytest.approx(error.value)
            assert measured.df == error.df
    assert measured.images_error == pytest.approx(IMAGES_SE * 2**0.5)  # a gain has four terms


def test_published_effects_are_found_with_eight_seeds_and_none_with_two() -> None:
    eight, two = simulate_claims(CLAIMS, 8), simulate_claims(CLAIMS, 2)
    assert all(eight[number].yes > 0.9 for number in (1, 2, 3, 5, 6))
    assert {(shares.yes, shares.no) for shares in two.values()} == {(0, 0)}
    assert eight[1].undecided == pytest.approx(1 - eight[1].yes - eight[1].no)


@pytest.mark.parametrize("seeds", [3, 5, 8])
def test_without_a_difference_no_claim_about_one_holds_more_often_than_alpha(seeds: int) -> None:
    found = simulate_claims(CLAIMS, seeds, effect=0.0)
    assert all(found[number].yes <= ALPHA for number in (1, 2, 3, 6))
    assert all(found[number].no == 0 for number in (5,))  # its gains do not depend on the loss


def test_a_true_claim_seldom_fails() -> None:
    for seeds in (3, 5, 8):
        assert all(shares.no <= ALPHA for shares in simulate_claims(CLAIMS, seeds).values())


def test_more_seeds_and_less_spread_find_more() -> None:
    by_seeds = [simulate_claims(CLAIMS, seeds)[1].yes for seeds in (3, 5, 8)]
    by_spread = [simulate_claims(CLAIMS, 5, spread=spread)[1].yes for spread in (1.8, 1.3, 0.7)]
    assert by_seeds == sorted(by_seeds)
    assert by_spread == sorted(by_spread)
    assert by_seeds[-1] - by_seeds[0] > 0.3
    assert by_spread[-1] - by_spread[0] > 0.3


def test_the_study_needs_five_or_six_seeds_and_a_pair_cannot_decide() -> None:
    full = {each.number: each for each in claims_power(SEVEN, BOTH, 8)}
    assert [full[number].seeds_needed for number in (1, 2, 5)] == [5, 5, 5]
    assert full[4].seeds_needed is None  # an equivalence that the published spread itself nearly fills
    assert all(list(each.worlds) == list(WORLDS) for each in full.values())
    pair = {each.number: each for each in claims_power(SEVEN[:2], BOTH, 8)}
    assert (pair[1].parts_tested, pair[1].parts_total, pair[1].worlds, pair[1].seeds_needed) == (2, 8, {}, None)
    assert 2 not in pair
    assert claims_power(["cnn-rotation"], ("linear",), 8) == []


def test_claims_of_every_group_are_decidable_and_only_the_study_s_have_a_power() -> None:
    study = load_study("losses-small")
    models = [model.name for model in study.models]
    assert [claim.number for claim in decidable_claims(models, study.evaluations)] == [14, 15, 16, 17]
    assert {power.number for power in claims_power(models, study.evaluations, 3)} <= {1, 2, 3, 4, 5, 6}
