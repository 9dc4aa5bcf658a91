"""Progress: plain lines without a terminal, a live view on one, nothing if quiet, a file for other processes."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from pse_repro.errors import NotFitError
from pse_repro.progress import console
from pse_repro.progress.facts import Epoch, StudyStatus, TimeLeft
from pse_repro.progress.listener import Listener, Stage
from pse_repro.progress.stages import Progress
from pse_repro.progress.status_file import ProcessStatus, read_statuses, write_status
from pse_repro.study.address import RunFiles

STUDY = StudyStatus(14, 2, 0, TimeLeft(12_600.0, 12_600.0))
CELL = "as-released/cnn-mse-seed0"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Standard error as a terminal of 80 columns."""
    shown = io.StringIO()
    monkeypatch.setattr(
        console,
        "RichConsole",
        lambda **_: Console(file=shown, force_terminal=True, width=80, height=24, color_system=None),
    )
    return shown


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Replace the clock; the last value is its time."""
    times = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: times[-1])
    return times


def test_lines_say_what_how_far_how_fast_and_how_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "LINE_SECONDS", -1.0)
    with Progress() as shown, shown.stage("pre-train", 1000, cell="cnn-mse", epochs=4) as stage:
        stage.measure(Epoch(0, 0.1, 0.05))
        stage.advance(250)
    out, err = capsys.readouterr()
    assert out == ""
    first, last = err.splitlines()
    assert "cnn-mse pre-train: 25%" in first
    assert "images/s" in first
    assert first.endswith("left; epoch 1/4, validation loss 0.05")
    assert "done in" in last


def test_lines_of_a_study_come_every_ten_seconds_and_say_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    with (
        Progress() as shown,
        shown.study(RunFiles(tmp_path).statuses, lambda: STUDY),
        shown.stage("pre-train", 100) as stage,
    ):
        for second in range(1, 22):
            clock.append(1000.0 + second)
            stage.advance(1)
        assert len(capsys.readouterr().err.splitlines()) == 1
        clock.append(1022.0)
        stage.advance(1)
    line, _ = capsys.readouterr().err.splitlines()
    assert line.endswith("22%, 1.0 images/s, at most 78 s left; study: 2 of 14 cells done, about 3.5 h left")


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(quiet=True) as shown, shown.stage("x", 10) as stage:
        stage.advance(10)
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_the_view_shows_the_study_and_every_process(
    tmp_path: Path, terminal: io.StringIO, clock: list[float]
) -> None:
    with Progress() as shown, shown.study(RunFiles(tmp_path).statuses, lambda: STUDY), shown.cell(CELL):
        with shown.stage("pre-train", 1000, cell=CELL, epochs=4) as stage:
            clock.append(1005.0)
            stage.advance(250)
            stage.measure(Epoch(0, 0.3, 0.2))
            clock.append(1006.5)
            stage.advance(75)
            shown._console._live.refresh()
        assert shown.on_terminal
    text = terminal.getvalue()
    for line in (
        "2 of 14 cells done, about 3.5 h left",
        f"{CELL}: pre-train, epoch 2 of 4",
        "━━━━━━╸               32%  50 images/s  at most 14 s left",
        "▁ validation loss 0.2",
    ):
        assert line in text


def test_a_stage_without_a_study_is_shown_too(terminal: io.StringIO) -> None:
    with Progress() as shown, shown.stage("verify", 10, unit="bytes") as stage:
        stage.advance(5)
        shown._console._live.refresh()
    assert "verify" in terminal.getvalue()
    assert "50%" in terminal.getvalue()


@pytest.mark.parametrize("options", [{"quiet": True}, {"lines": True}])
def test_no_view_where_none_is_wanted(terminal: io.StringIO, options: dict[str, bool]) -> None:
    with Progress(**options) as shown:
        assert not shown.on_terminal
    assert "\x1b" not in terminal.getvalue()


def test_a_cell_is_visible_to_others_from_its_begin_to_its_end(tmp_path: Path, clock: list[float]) -> None:
    folder = RunFiles(tmp_path).statuses
    shown = Progress(quiet=True)
    with shown.study(RunFiles(tmp_path).statuses):
        with shown.cell(CELL):
            assert read_statuses(folder) == [ProcessStatus(CELL)]
            with shown.stage("frozen", 100, cell=CELL, folds=(1, 2)) as stage:
                (found,) = read_statuses(folder)
                assert (found.phase, found.done, found.epochs_done) == ("frozen, 2 folds", 0, None)
                stage.advance(10)
                assert read_statuses(folder)[0].done == 0  # not again within a second
                clock.append(1001.5)
                stage.advance(10)
                assert read_statuses(folder)[0].done == 20
        assert read_statuses(folder) == []
        with shown.stage("baseline", 10):
            assert read_statuses(folder) == []


def test_a_cell_that_ends_with_an_error_leaves_no_file(tmp_path: Path) -> None:
    shown = Progress(quiet=True)
    with pytest.raises(NotFitError), shown.study(RunFiles(tmp_path).statuses), shown.cell(CELL), shown.stage("x", 1):
        raise NotFitError("no")
    assert list(RunFiles(tmp_path).statuses.iterdir()) == []


def test_a_cell_s_log_hears_of_its_stages_alone() -> None:
    logged: list[tuple[str, str, Epoch]] = []

    class Log(Listener):
        def measured(self, stage: Stage, epoch: Epoch) -> None:
            logged.append((stage.cell, stage.phase, epoch))

    shown, epoch = Progress(quiet=True), Epoch(3, 1.0, fold=2)
    with shown.cell(CELL, Log()), shown.stage("frozen", 9, cell=CELL, folds=(1, 2)) as stage:
        stage.measure(epoch)
    with shown.stage("other", 9) as stage:
        stage.measure(epoch)
    assert logged == [(CELL, "frozen", epoch)]
    assert len(shown.listeners) == 1


def test_listeners_hear_what_happens_in_order_and_whether_a_stage_was_completed() -> None:
    heard: list[object] = []

    class Log(Listener):
        def began(self, stage: Stage) -> None:
            heard.append(stage.phase)

        def advanced(self, stage: Stage) -> None:
            heard.append(stage.done)

        def ended(self, stage: Stage, completed: bool) -> None:
            heard.append(completed)

    shown = Progress(quiet=True)
    shown.listeners.append(Log())
    with shown.stage("one", 2) as stage:
        stage.advance(2)
    with pytest.raises(NotFitError), shown.stage("two", 2):
        raise NotFitError("no")
    assert heard == ["one", 2, True, "two", False]


def test_the_study_s_status_is_asked_for_now_and_then_and_its_errors_pass(tmp_path: Path, clock: list[float]) -> None:
    asked = []

    def estimate() -> StudyStatus:
        asked.append(clock[-1])
        if len(asked) == 2:
            raise NotFitError("damaged")
        return STUDY

    shown = Progress(quiet=True)
    assert shown.study_status() is None
    with shown.study(RunFiles(tmp_path).statuses, estimate):
        for time in (1000.0, 1001.0, 1016.0, 1017.0):
            clock.append(time)
            assert shown.study_status() == STUDY
        shown.study_status(refresh=True)
    assert asked == [1000.0, 1016.0, 1017.0]
    assert shown.study_status() is None


def test_the_view_passes_over_other_processes_files_that_are_torn(tmp_path: Path, terminal: io.StringIO) -> None:
    write_status(RunFiles(tmp_path / "gone").statuses, ProcessStatus(CELL))  # the folder is not there: no error
    with Progress() as shown, shown.study(RunFiles(tmp_path).statuses):
        RunFiles(tmp_path).statuses.mkdir()
        (RunFiles(tmp_path).statuses / "1.json").write_text('{"pid": 1, "now": {')
        write_status(RunFiles(tmp_path).statuses, ProcessStatus(CELL, "frozen"))
        shown._console._live.refresh()
    assert f"{CELL}: frozen" in terminal.getvalue()
