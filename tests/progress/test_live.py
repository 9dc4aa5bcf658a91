"""The live view as plain text: data in, lines out, no clock."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.progress.facts import StudyStatus, TimeLeft
from pse_repro.progress.live import BLOCKS, as_text, bar_line, name_line, process_lines, sparkline, view
from pse_repro.progress.status_file import ProcessStatus
from pse_repro.text import duration, rate

PRETRAIN = ProcessStatus(
    "as-released/cnn-pse-3-seed0", "pre-train", 250, 1000, "images", 5.0, 3, 12, (0.8, 0.1, 0.2), "validation 0.2",
    "validation loss",
)  # fmt: skip
LONG = ProcessStatus(
    "a-protocol-of-my-own+1+2+3+4/resnet-pse-11-seed0", "finetune, 5 folds", 10**7, 10**8, "images", 999.0, 123, None,
    tuple(1 / (1 + epoch) for epoch in range(120)),
)  # fmt: skip
STUDY = StudyStatus(14, 2, 1, TimeLeft(12_600.0, 12_600.0))
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


def lines_of(status: ProcessStatus, width: int = 80, short: bool = False) -> list[str]:
    return [as_text(each, width) for each in process_lines(status, short)]


def shown(study: StudyStatus | None, statuses: list[ProcessStatus], width: int = 80, height: int = 24) -> list[str]:
    return as_text(view(study, statuses, height), width).splitlines()


@pytest.mark.parametrize(("share", "drawn"), [(0.0, "    "), (0.4, "━╸  "), (1.0, "━━━━"), (1.7, "━━━━"), (-1, "    ")])
def test_a_bar_never_leaves_its_columns(share: float, drawn: str) -> None:
    assert as_text(bar_line(share, 1.0, "x", 4), 80) == f"{drawn}  x"


def test_a_stage_says_cell_phase_epoch_share_rate_time_left_and_loss() -> None:
    assert lines_of(PRETRAIN) == [
        "as-released/cnn-pse-3-seed0: pre-train, epoch 4 of 12",
        "  ━━━━━                 25%  50 images/s  at most 15 s left",
        "  █▁▃ validation loss 0.2",
    ]
    assert lines_of(PRETRAIN, short=True) == [
        "as-released/cnn-pse-3-seed0: pre-train, epoch 4 of 12, 25%, at most 15 s left"
    ]


def test_what_is_not_known_is_not_said() -> None:
    assert lines_of(ProcessStatus("a/b")) == ["a/b"]
    assert lines_of(ProcessStatus("", "verify", 0, 10, "bytes", 1.0)) == ["verify", "                        0%"]
    assert lines_of(ProcessStatus("a/b", "frozen", losses=(1.0, None)))[-1] == "  ▁  loss not finite"
    assert lines_of(ProcessStatus("a/b", "frozen", note="fold 1")) == ["a/b: frozen", "  fold 1"]


def test_after_the_last_epoch_there_is_no_further_one() -> None:
    assert lines_of(ProcessStatus("a/b", "pre-train", epochs_done=12, epochs=12)) == ["a/b: pre-train, epoch 12 of 12"]


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("width", [40, 71, 80])
def test_of_a_long_name_the_model_is_kept(width: int, short: bool) -> None:
    lines = lines_of(LONG, width, short)
    assert max(map(len, lines)) <= width
    if width >= 71:
        assert "-seed0: finetune, 5 folds, epoch 124" in lines[0]
        assert "…" not in "".join(lines[1:])


@given(st.text(st.sampled_from("ab/ [x]"), min_size=1, max_size=90), st.integers(1, 100))
def test_a_name_is_one_line_that_fits(name: str, width: int) -> None:
    (found,) = as_text(name_line(name, ": it"), width).splitlines()
    assert len(found) <= width
    if len(name) + 4 <= width:
        assert found == f"{name}: it"


def test_the_study_as_a_whole_stands_above() -> None:
    lines = shown(STUDY, [PRETRAIN])
    assert lines[0] == "━━╸                   2 of 14 cells done, 1 failed, about 3.5 h left"
    assert lines[1:] == lines_of(PRETRAIN)


@pytest.mark.parametrize(("processes", "lines"), [(1, 4), (2, 7), (7, 22), (8, 9), (30, 23)])
def test_many_processes_fit_24_lines_of_80_columns(processes: int, lines: int) -> None:
    found = shown(STUDY, [LONG] * processes)
    assert len(found) == lines
    assert max(map(len, found)) <= 80
    assert ("more" in found[-1]) == (processes == 30)


def test_nothing_to_show_is_no_line() -> None:
    assert shown(None, []) == []
