"""Progress: plain lines where there is no terminal, none when quiet."""

import pytest

from pse_repro import progress
from pse_repro.progress import Progress, duration


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


def test_lines_say_what_how_far_how_fast_and_how_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", -1.0)
    with Progress() as shown, shown.stage("cnn-mse pre-train", 1000) as stage:
        stage.note("epoch 1/4, validation 0.05")
        stage.advance(250)
    out, err = capsys.readouterr()
    assert out == ""
    first, last = err.splitlines()
    assert "cnn-mse pre-train: 25%" in first
    assert "images/s" in first
    assert "left; epoch 1/4, validation 0.05" in first
    assert "done in" in last


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(quiet=True) as shown, shown.stage("x", 10) as stage:
        stage.advance(10)
    assert capsys.readouterr() == ("", "")
