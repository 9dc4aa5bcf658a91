"""Comparison: every verdict, the rules of printing, invariances, and the formats."""

import json
import math
from random import Random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pse_repro.compare.join import COLUMNS, Comparison, compare, printed_percent
from pse_repro.compare.render import render
from pse_repro.errors import UsageError
from pse_repro.expected import ExpectedTable, Tolerance, load_expected
from pse_repro.tables import model_name
from tests.support.published import SLIDES, published, shifted


def one(value: float, tolerance: float | None = 2.0, measured: float = 0.0, **columns: object) -> Comparison:
    """Compare one measured with one expected value."""
    cell = {"encoder": "cnn", "objective": "pse", "sigma": "3", "evaluation": "finetune", "fold": "1", "metric": "top1"}
    frame = pd.DataFrame([{"protocol": "as-released", **cell, "value": value, "source": "s", "note": ""}])
    tolerances = {} if tolerance is None else {("finetune", "top1", ""): Tolerance(tolerance, "r")}
    table = ExpectedTable("one", frame, conditions={"data": "stl10"}, tolerances=tolerances)
    return compare(pd.DataFrame([{**cell, "value": measured, **columns}]), table)


def only(comparison: Comparison) -> dict[str, object]:
    [row] = comparison.rows.to_dict("records")
    return {str(column): value for column, value in row.items()}


def test_the_slides_reproduce_themselves() -> None:
    comparison = compare(published(), SLIDES)
    assert list(comparison.rows.columns) == list(COLUMNS)
    assert comparison.summary() == {
        **{"within": 147, "outside": 0, "missing": 0, "not comparable": 0},
        **{"reproduced": 0, "not reproduced": 0, "inconclusive": 0, "no tolerance": 0, "extra": 0, "ignored": 0},
    }
    assert comparison.rows["difference"].eq(0).all()
    assert comparison.exit_status(strict=True) == 0


def test_the_released_logs_reproduce_the_slides() -> None:
    comparison = compare(published("released_logs"), SLIDES)
    assert comparison.summary()["within"] == 89
    assert comparison.summary()["outside"] == 0
    differing = comparison.rows.query("difference != 0 and seeds > 0")
    assert differing["difference"].tolist() == [0.02, 0.08]  # the two slips; cutting explains every ensemble
    assert set(comparison.extra["evaluation"] + comparison.extra["metric"]) == {"frozenloss"}


@pytest.mark.parametrize("name", ["released_logs", "initial"])
def test_other_tables_reproduce_themselves(name: str) -> None:
    comparison = compare(published(name), load_expected(name))
    assert comparison.exit_status(strict=True) == 0
    assert comparison.rows["difference"].eq(0).all()
    assert set(comparison.rows.query("verdict == ''")["metric"]) <= {"best_epoch"}


def test_a_changed_a_missing_and_an_extra_value_each_show() -> None:
    results = shifted(published(), 0, 3.01)
    extra = results.iloc[[13]].assign(sigma="7")
    comparison = compare(pd.concat([results.drop(index=5), extra], ignore_index=True), SLIDES)
    counts = comparison.summary()
    assert (counts["within"], counts["outside"], counts["missing"], counts["extra"]) == (145, 1, 1, 1)
    assert comparison.rows.loc[0, "verdict"] == "outside"
    assert comparison.rows.loc[5, "verdict"] == "missing"
    assert comparison.rows["measured"].isna().tolist() == [row == 5 for row in range(147)]
    assert comparison.extra["sigma"].tolist() == ["7"]
    assert (comparison.exit_status(), comparison.exit_status(strict=True)) == (1, 1)
    assert "CNN-PSE-7 finetune ensemble top1 = 51.26" in render(comparison)


def test_missing_alone_fails_only_when_strict() -> None:
    comparison = compare(published().drop(index=5), SLIDES)
    assert (comparison.exit_status(), comparison.exit_status(strict=True)) == (0, 1)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"data": "imagenet96"}, "data is imagenet96, not stl10"),
        ({"scale": "quick"}, "scale is quick, not full"),
        ({"protocol": "as-described"}, "protocol is as-described, not as-released"),
        ({"data": "cifar10", "scale": "quick"}, "data is cifar10, not stl10; scale is quick, not full"),
    ],
)
def test_other_conditions_are_not_comparable(columns: dict[str, str], reason: str) -> None:
    comparison = compare(published(**columns), SLIDES)
    assert comparison.summary()["not comparable"] == 147
    assert set(comparison.rows["reason"]) == {reason}
    assert comparison.rows["difference"].eq(0).all()
    assert (comparison.exit_status(), comparison.exit_status(strict=True)) == (0, 1)
    assert f"[1] {reason}" in render(comparison)


def test_an_unknown_condition_is_not_comparable() -> None:
    table = ExpectedTable("t", SLIDES.frame, conditions={"device": "cpu"}, tolerances=SLIDES.tolerances)
    assert set(compare(published(), table).rows["reason"]) == {"device is unknown, not cpu"}


def test_each_protocol_has_its_own_rows() -> None:
    both = pd.concat([published(), published(protocol="as-described")], ignore_index=True)
    comparison = compare(both, SLIDES)
    assert comparison.rows.groupby("protocol")["verdict"].unique().map(list).to_dict() == {
        "as-described": ["not comparable"],
        "as-released": ["within"],
    }
    assert "\nprotocol " in render(comparison)


def test_scope_limits_what_can_be_missing() -> None:
    results = published().query("encoder == 'resnet'")
    scope = pd.DataFrame({"encoder": ["resnet"] * 2, "objective": ["mse", "pse"], "sigma": [None, 3.0]})
    whole = compare(results, SLIDES, scope=scope)
    assert (whole.summary()["within"], whole.summary()["missing"]) == (42, 0)
    part = compare(results.iloc[1:], SLIDES, scope=scope.assign(evaluation="finetune"))
    assert (part.summary()["within"], part.summary()["missing"]) == (41, 1)
    assert compare(results, SLIDES).summary()["missing"] == 105
    with pytest.raises(UsageError, match="scope"):
        compare(results, SLIDES, scope=pd.DataFrame({"model": ["cnn"]}))


def test_an_empty_scope_leaves_nothing_to_compare() -> None:
    comparison = compare(published().iloc[:0], SLIDES, scope=pd.DataFrame({"encoder": []}))
    assert comparison.exit_status(strict=True) == 0
    assert "nothing to compare" in render(comparison)


def test_results_of_something_else_are_all_missing() -> None:
    comparison = compare(published().iloc[:1].assign(metric="seconds"), SLIDES)
    assert comparison.summary()["missing"] == 147
    assert comparison.summary()["extra"] == 0
    assert "all 147 expected values are missing" in render(comparison)


def test_seeds_are_averaged() -> None:
    cell = published().iloc[[3]]
    seeds = pd.concat([cell.assign(seed=seed, value=45.37 + step) for seed, step in ((0, -1), (1, 4))])
    row = compare(seeds, SLIDES).rows.loc[3]
    assert (row["seeds"], row["difference"], row["verdict"]) == (2, 1.5, "within")


@pytest.mark.parametrize(
    ("steps", "verdict", "status", "strictly"),
    [
        ((-0.2, 0.1, 0.3), "reproduced", 0, 0),
        ((4.9, 5.0, 5.2), "not reproduced", 1, 1),
        ((-3.0, 0.0, 3.0), "inconclusive", 0, 1),  # its mean is exact, its spread is not
        ((0.0, 0.0, 0.0), "reproduced", 0, 0),
    ],
)
def test_from_three_seeds_on_a_test_decides(steps: tuple[float, ...], verdict: str, status: int, strictly: int) -> None:
    cell = published().iloc[[3]]
    seeds = pd.concat([cell.assign(seed=seed, value=45.37 + step) for seed, step in enumerate(steps)])
    comparison = compare(seeds, SLIDES, scope=cell)
    [row] = comparison.rows.to_dict("records")
    assert (row["seeds"], row["verdict"]) == (3, verdict)
    assert row["low"] <= row["measured"] <= row["high"]
    assert (comparison.exit_status(), comparison.exit_status(strict=True)) == (status, strictly)
    assert f"1 {verdict}" in render(comparison)
    assert "95 % interval" in render(comparison)


def test_one_diverged_seed_is_not_averaged_away() -> None:
    cell = published().iloc[[3]]
    seeds = pd.concat([cell.assign(seed=0), cell.assign(seed=1, value=math.nan)])
    assert compare(seeds, SLIDES).rows.loc[3, "verdict"] == "outside"


@pytest.mark.parametrize("measured", [math.nan, math.inf, -math.inf])
def test_non_finite_values_are_outside(measured: float) -> None:
    comparison = one(50.0, measured=measured)
    assert only(comparison)["verdict"] == "outside"
    assert str(measured) in str(only(comparison)["reason"])
    assert json.loads(render(comparison, "json"))["rows"][0]["measured"] is None


def test_a_metric_without_tolerance_is_information() -> None:
    comparison = one(50.0, None, measured=500.0)
    assert only(comparison)["verdict"] == ""
    assert comparison.exit_status(strict=True) == 0
    assert "no tolerance" in render(comparison)
    assert json.loads(render(comparison, "json"))["rows"][0]["verdict"] is None


@given(st.integers(0, 10_000), st.integers(1, 500), st.integers(-600, 600))
def test_the_verdict_flips_exactly_at_the_tolerance(expected: int, tolerance: int, difference: int) -> None:
    """Values are in hundredths, so that the exact distance to the tolerance is known despite float error."""
    comparison = one(expected / 100, tolerance / 100, measured=(expected + difference) / 100)
    assert only(comparison)["verdict"] == ("within" if abs(difference) <= tolerance else "outside")


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random: Random) -> None:
    table = published()
    seeds = [table.assign(seed=seed, value=table["value"] + 0.1 * seed**2) for seed in range(4)]
    results = pd.concat(seeds, ignore_index=True)
    results.loc[:9, "sigma"] = "9"
    order = list(range(len(results)))
    random.shuffle(order)
    shuffled = compare(results.iloc[order], SLIDES)
    pd.testing.assert_frame_equal(shuffled.rows, compare(results, SLIDES).rows)
    pd.testing.assert_frame_equal(shuffled.extra, compare(results, SLIDES).extra)


@pytest.mark.parametrize(
    ("value", "cut", "rounded"),
    [
        (51.4375, 51.43, 51.44),
        (51.43, 51.43, 51.43),
        (28.999999999996, 29.0, 29.0),
        (70.725, 70.72, 70.73),
        (0.0, 0.0, 0.0),
        (100.0, 100.0, 100.0),
        (math.inf, math.inf, math.inf),
        (1e300, 1e300, 1e300),
    ],
)
def test_printed_percent(value: float, cut: float, rounded: float) -> None:
    assert (printed_percent(value, "cut"), printed_percent(value, "rounded")) == (cut, rounded)


@given(st.integers(0, 10_000))
def test_printing_two_decimals_changes_nothing(hundredths: int) -> None:
    value = hundredths / 100
    assert printed_percent(value, "cut") == printed_percent(value, "rounded") == value


@given(st.integers(0, 8000))
def test_cutting_every_possible_score_is_exact(correct: int) -> None:
    assert printed_percent(correct / 8000 * 100, "cut") == correct * 100 // 80 / 100


def test_ensembles_follow_the_rule_of_their_protocol() -> None:
    cell = published().query("fold == 'ensemble'").iloc[[0]].assign(value=51.4375)
    results = pd.concat([cell, cell.assign(protocol="as-described")], ignore_index=True)
    measured = compare(results, SLIDES).rows.query("seeds > 0").set_index("protocol")["measured"]
    assert measured.to_dict() == {"as-released": 51.43, "as-described": 51.44}
    measured = compare(results, SLIDES, print_rules={}).rows.query("seeds > 0").set_index("protocol")["measured"]
    assert measured["as-released"] == 51.44


def test_model_names() -> None:
    names = [model_name("cnn", "mse", ""), model_name("resnet", "pse", "3"), model_name("vit", "mae", "")]
    assert names == ["CNN-MSE", "ResNet-PSE-3", "vit-MAE"]
