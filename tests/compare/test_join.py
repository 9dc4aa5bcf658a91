"""Comparison: every verdict, its tolerance and the other loss, and invariances."""

import json
import math
from random import Random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pse_repro.compare.join import COLUMNS, Comparison, compare
from pse_repro.compare.render import render
from pse_repro.errors import UsageError
from pse_repro.expected import ExpectedTable, Tolerance, load_expected
from pse_repro.stats import mean_interval
from pse_repro.tables import model_name
from tests.support.published import SLIDES, published, shifted


def one(value: float, tolerance: float | None = 2.0, measured: float = 0.0, **columns: object) -> Comparison:
    """Compare one measured with one expected value."""
    cell = {"encoder": "cnn", "objective": "pse", "sigma": "3", "evaluation": "finetune", "fold": "1", "metric": "top1"}
    frame = pd.DataFrame([{"protocol": "as-released", **cell, "value": value, "source": "s", "note": ""}])
    tolerances = {} if tolerance is None else {("cnn", "finetune", "top1", ""): Tolerance("r", value=tolerance)}
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
        **{"does not discriminate": 26, "no tolerance": 0, "extra": 0, "ignored": 0},
    }
    assert comparison.whole.verdict == "reproduced"
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
    assert (comparison.exit_status(), comparison.exit_status(strict=True)) == (0, 1)  # one outside may be chance
    assert "CNN-PSE-7 finetune ensemble top1 = 51.26" in render(comparison)


@pytest.mark.parametrize(("tolerances", "status"), [(1.1, 0), (3.0, 1)])
def test_one_number_far_outside_fails_and_one_just_outside_only_when_strict(tolerances: float, status: int) -> None:
    tolerance = compare(published(), SLIDES).rows.loc[0, "tolerance"]
    comparison = compare(shifted(published(), 0, tolerances * tolerance), SLIDES)
    assert comparison.rows.index[comparison.rows["verdict"] == "outside"].tolist() == [0]
    assert (comparison.exit_status(), comparison.exit_status(strict=True)) == (status, 1)


def test_a_table_that_is_undecided_as_a_whole_does_not_fail() -> None:
    pair = published().query("encoder == 'resnet' and evaluation == 'frozen' and fold == 'ensemble'")
    comparison = compare(pair, SLIDES, scope=pair[["encoder", "evaluation", "fold"]])
    assert comparison.whole.verdict == "undecided"
    assert (comparison.exit_status(), comparison.exit_status(strict=True)) == (0, 0)


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


@pytest.mark.parametrize(("seeds", "row"), [(1, 0), (2, 3), (3, 4), (8, 146)])
def test_the_tolerance_of_a_mean_narrows_with_its_seeds(seeds: int, row: int) -> None:
    """One published run stays on the other side: with many seeds the tolerance is 1.96 standard deviations."""
    cell = published().iloc[[row]]
    tolerance = SLIDES.tolerance(cell.iloc[0].to_dict())
    assert tolerance is not None
    wide = 1.96 * tolerance.sd * math.sqrt(1 + 1 / seeds)
    for step, verdict in ((0.99 * wide, "within"), (1.01 * wide, "outside"), (-1.01 * wide, "outside")):
        results = pd.concat([cell.assign(seed=seed, value=cell["value"] + step) for seed in range(seeds)])
        found = compare(results, SLIDES, scope=cell, print_rules={}).rows.iloc[0]
        assert (found["seeds"], found["verdict"]) == (seeds, verdict)
        assert found["tolerance"] == pytest.approx(wide)


@pytest.mark.parametrize("steps", [(-0.2, 0.1, 0.3), (-3.0, 0.0, 3.0), (4.9, 5.0, 5.2)])
def test_seeds_have_an_interval_beside_their_mean(steps: tuple[float, ...]) -> None:
    cell = published().iloc[[3]]
    seeds = pd.concat([cell.assign(seed=seed, value=45.37 + step) for seed, step in enumerate(steps)])
    comparison = compare(seeds, SLIDES, scope=cell)
    [row] = comparison.rows.to_dict("records")
    interval = mean_interval([45.37 + step for step in steps])
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert f"{interval.low:.2f} to {interval.high:.2f}" in render(comparison)
    assert math.isnan(compare(cell, SLIDES, scope=cell).rows.iloc[0]["low"])
    assert "95 % interval" not in render(compare(cell, SLIDES, scope=cell))


@pytest.mark.parametrize(
    ("place", "measured", "verdict", "discriminates"),
    [
        (("cnn", "pse", "3", "finetune", "top1"), 51.26, "within", True),  # 48.96 is farther than 1.25
        (("cnn", "pse", "3", "finetune", "top1"), 50.20, "within", False),  # between both
        (("cnn", "pse", "3", "finetune", "top1"), 48.96, "outside", None),
        (("cnn", "mse", "", "finetune", "top1"), 48.96, "within", True),  # the closest of PSE is 50.73
        (("cnn", "mse", "", "finetune", "top1"), 49.60, "within", False),
        (("resnet", "pse", "3", "frozen", "top4"), 79.48, "within", False),  # 77.57, with a tolerance of 2.05
    ],
)
def test_a_number_that_fits_the_other_loss_as_well_does_not_discriminate(
    place: tuple[str, ...], measured: float, verdict: str, discriminates: bool | None
) -> None:
    names = ("encoder", "objective", "sigma", "evaluation", "metric")
    keys = dict(zip(names, place, strict=True)) | {"fold": "ensemble"}
    comparison = compare(pd.DataFrame([{**keys, "value": measured}]), SLIDES, scope=pd.DataFrame([keys]))
    row = only(comparison)
    assert (row["verdict"], row["discriminates"]) == (verdict, discriminates)
    assert row["rival"] == SLIDES.rival(keys | {"value": row["expected"]})
    assert comparison.summary()["does not discriminate"] == (discriminates is False)


def test_a_number_without_another_loss_neither_discriminates_nor_fails_to() -> None:
    comparison = one(50.0, measured=50.0)
    assert only(comparison)["verdict"] == "within"
    assert only(comparison)["discriminates"] is None
    assert math.isnan(float(str(only(comparison)["rival"])))
    assert comparison.summary()["does not discriminate"] == 0


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


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.integers(1, 500), st.integers(-600, 600))
def test_the_verdict_flips_exactly_at_the_tolerance(expected: int, tolerance: int, difference: int) -> None:
    """Values are in hundredths, so that the exact distance to the tolerance is known despite float error."""
    comparison = one(expected / 100, tolerance / 100, measured=(expected + difference) / 100)
    assert only(comparison)["verdict"] == ("within" if abs(difference) <= tolerance else "outside")


@settings(max_examples=4, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random: Random) -> None:
    table = published()
    seeds = [table.assign(seed=seed, value=table["value"] + 0.1 * seed**2) for seed in range(4)]
    results = pd.concat(seeds, ignore_index=True)
    results.loc[:9, "sigma"] = "9"
    order = list(range(len(results)))
    random.shuffle(order)
    shuffled = compare(results.iloc[order], SLIDES)
    ordered = compare(results, SLIDES)
    pd.testing.assert_frame_equal(shuffled.rows, ordered.rows)
    pd.testing.assert_frame_equal(shuffled.extra, ordered.extra)
    assert (shuffled.whole, shuffled.differences) == (ordered.whole, ordered.differences)


def test_model_names() -> None:
    names = [model_name("cnn", "mse", ""), model_name("resnet", "pse", "3"), model_name("vit", "mae", "")]
    assert names == ["CNN-MSE", "ResNet-PSE-3", "vit-MAE"]
