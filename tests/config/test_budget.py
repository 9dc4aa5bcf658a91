"""Parsing of budgets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.config.study import Budget, parse_budget
from pse_repro.errors import UsageError


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("20000 images", Budget(images=20_000)),
        (" 20_000images ", Budget(images=20_000)),
        ("500 steps", Budget(steps=500)),
        ("600 s", Budget(seconds=600.0)),
        ("1.5 seconds", Budget(seconds=1.5)),
    ],
)
def test_a_budget_is_a_number_and_its_unit(text: str, budget: Budget) -> None:
    assert parse_budget(text) == budget


@pytest.mark.parametrize(
    "text", ["", "20", "images", "_ images", "-20 images", "2e3 images", "20 image", "20 images x"]
)
def test_what_is_no_budget_is_refused(text: str) -> None:
    expected = f"budget is {text!r}; expected a number with images, steps or s, as in '20000 images'"
    with pytest.raises(UsageError) as caught:
        parse_budget(text)
    assert str(caught.value) == expected


@given(amount=st.integers(1, 10**12), unit=st.sampled_from(["images", "steps", "s"]))
def test_every_whole_amount_is_taken_as_it_is(amount: int, unit: str) -> None:
    for written in (str(amount), f"{amount:_}"):
        assert sum(value or 0 for value in vars(parse_budget(f"{written} {unit}")).values()) == amount


def test_half_a_step_is_refused() -> None:
    with pytest.raises(UsageError, match=r"budget is '1.5 steps'; expected a whole number of steps"):
        parse_budget("1.5 steps")


@pytest.mark.parametrize("text", ["0 images", "0 s"])
def test_a_budget_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"budget: \w+ is 0(\.0)?; expected a finite number above 0"):
        parse_budget(text)
