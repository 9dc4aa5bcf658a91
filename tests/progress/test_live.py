"""The live view as text: data in, lines out, no clock."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.progress.live import BLOCKS, Outlook, bar, now_lines, sparkline, thinned, view
from pse_repro.progress.now import Now
from pse_repro.text import duration, rate

PRETRAIN = Now(
    "as-released/cnn-pse-3-seed0", "pre-train", 250, 1000, "images", 5.0, 3, 12, (0.8, 0.1, 0.2), "validation 0.2",
    "validation loss",
)  # fmt: skip
LONG = Now(
    "a-protocol-of-my-own+1+2+3+4/resnet-pse-11-seed0", "finetune, 5 folds", 10**7, 10**8, "images", 999.0, 123, None,
    tuple(1 / (1 + epoch) for epoch in range(120)),
)  # fmt: skip
OUTLOOK = Outlook(14, 2, 1, 12_600.0, 12_600.0)
NUMBERS = st.none() | st.floats(-1e100, 1e100) | st.just(math.nan) | st.just(math.inf)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "0 s"),
        (99, "99 s"),
        (100, "2 min"),
        (5999, "100 min"),
        (6000, "1.7 h"),
        (259_199, "72.0 h"),
        (259_200, "3 days"),
    ],
)
def test_durations_are_for_people(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("per_second", "unit", "said"),
    [(1234.4, "images", "1,234 images/s"), (2.34, "images", "2.3 images/s"), (12_300_000, "bytes", "12.3 MB/s")],
)
def test_rates_are_for_people(per_second: float, unit: str, said: str) -> None:
    assert rate(per_second, unit) == said


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([5.0], "▁"),
        ([2.0, 2.0, 2.0], "▁▁▁"),
        ([math.nan], " "),
        ([None, math.inf], "  "),
        ([1.0, math.nan, 2.0], "▁ █"),
        ([-1.0, 0.0, 6.0], "▁▂█"),
        ([128.0, 64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0], BLOCKS[::-1]),  # by logarithms
    ],
)
def test_sparklines(values: list[float | None], line: str) -> None:
    assert sparkline(values) == line


@given(st.lists(NUMBERS, max_size=200), st.integers(1, 60))
def test_a_sparkline_is_of_blocks_and_fits(values: list[float | None], width: int) -> None:
    line = sparkline(values, width)
    assert len(line) == min(width, len(values))
    assert set(line) <= {*BLOCKS, " "}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.integers(1, 60))
def test_thinned_against_one_value_after_another(values: list[float], count: int) -> None:
    """Each value goes to the share in which it falls; few values stay as they are."""
    count = min(count, len(values))
    shares: list[list[float]] = [[] for _ in range(count)]
    for index, value in enumerate(values):
        share = max(k for k in range(count) if k * len(values) // count <= index)
        shares[share].append(value)
    expected = [sum(share) / len(share) for share in shares]
    assert thinned(values, count) == pytest.approx(expected)
    assert thinned(values, 200) == values


@pytest.mark.parametrize(("share", "drawn"), [(0.0, "────"), (0.5, "━━──"), (1.0, "━━━━"), (1.7, "━━━━"), (-1, "────")])
def test_a_bar_never_leaves_its_columns(share: float, drawn: str) -> None:
    assert bar(share, 4) == drawn


def test_a_stage_says_cell_phase_epoch_share_rate_time_left_and_loss() -> None:
    assert now_lines(PRETRAIN, 80) == [
        "as-released/cnn-pse-3-seed0: pre-train, epoch 4 of 12",
        "  ━━━━━───────────────  25%  50 images/s  at most 15 s left",
        "  █▁▃ validation loss 0.2",
    ]
    assert now_lines(PRETRAIN, 80, short=True) == [
        "as-released/cnn-pse-3-seed0: pre-train, epoch 4 of 12, 25%, at most 15 s left"
    ]


def test_what_is_not_known_is_not_said() -> None:
    assert now_lines(Now("a/b"), 80) == ["a/b"]
    assert now_lines(Now("", "verify", 0, 10, "bytes", 1.0), 80) == ["verify", f"  {bar(0)}  0%"]
    assert now_lines(Now("a/b", "frozen", losses=(1.0, None)), 80)[-1] == "  ▁  loss not finite"
    assert now_lines(Now("a/b", "frozen", note="fold 1"), 80) == ["a/b: frozen", "  fold 1"]


def test_after_the_last_epoch_there_is_no_further_one() -> None:
    assert now_lines(Now("a/b", "pre-train", epochs_done=12, epochs=12), 80) == ["a/b: pre-train, epoch 12 of 12"]


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("width", [40, 71, 80])
def test_of_a_long_name_the_model_is_kept(width: int, short: bool) -> None:
    lines = now_lines(LONG, width, short)
    assert max(map(len, lines)) <= width
    if width >= 71:
        assert "-seed0: finetune, 5 folds, epoch 124" in lines[0]
        assert "…" not in "".join(lines)[1:]


def test_the_study_as_a_whole_stands_above() -> None:
    lines = view(OUTLOOK, [PRETRAIN], 80, 24).plain.splitlines()
    assert lines[0] == f"{bar(2 / 14)} 2 of 14 cells done, 1 failed, about 3.5 h left"
    assert lines[1:] == now_lines(PRETRAIN, 80)


@pytest.mark.parametrize(
    ("outlook", "said"),
    [
        (Outlook(2, 0, 0, None, 0.0), "0 of 2 cells done, time left unknown"),
        (Outlook(2, 1, 0, None, 600.0), "1 of 2 cells done, time left unknown, at least 10 min"),
        (Outlook(2, 2, 0, 0.0, 0.0), "2 of 2 cells done, about 0 s left"),
    ],
)
def test_time_left_is_unknown_until_something_was_measured(outlook: Outlook, said: str) -> None:
    assert str(outlook) == said


@pytest.mark.parametrize(("processes", "lines"), [(1, 4), (2, 7), (7, 22), (8, 9), (30, 23)])
def test_many_processes_fit_24_lines_of_80_columns(processes: int, lines: int) -> None:
    shown = view(OUTLOOK, [LONG] * processes, 80, 24).plain.splitlines()
    assert len(shown) == lines
    assert max(map(len, shown)) <= 80
    assert ("more" in shown[-1]) == (processes == 30)


def test_nothing_to_show_is_no_line() -> None:
    assert view(None, [], 80, 24).plain == ""
