"""Printed percentages: cut or rounded by the rule of a protocol, exact all the same."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.compare.join import compare, printed_percent
from tests.support.published import SLIDES, published


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


def test_the_differences_between_the_losses_are_of_values_as_they_are_before_printing() -> None:
    pair = published().query("encoder == 'cnn' and sigma in ('', '3') and fold == 'ensemble' and metric == 'top1'")
    results = pd.concat([pair.assign(seed=seed, value=pair["value"] + 0.001 * seed) for seed in range(3)])
    results.loc[(results["objective"] == "pse") & (results["seed"] == 2), "value"] += 0.006
    found = {each.evaluation: each for each in compare(results, SLIDES).differences}
    assert {name: (each.expected, each.seeds) for name, each in found.items()} == {
        "finetune": (2.3, 3),
        "frozen": (5.9, 3),
    }
    assert found["finetune"].measured == pytest.approx(2.302)
