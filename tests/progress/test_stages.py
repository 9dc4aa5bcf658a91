"""Progress: plain lines where there is no terminal, a live view on one, nothing when quiet, a file for others."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from pse_repro.errors import NotFitError
from pse_repro.progress import stages
from pse_repro.progress.live import Outlook
from pse_repro.progress.now import Now, now_folder, read_nows, write_now
from pse_repro.progress.stages import Progress

OUTLOOK = Outlook(14, 2, 0, 12_600.0, 12_600.0)
CELL = "as-released/cnn-mse-seed0"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """Standard error as a terminal of 80 columns."""
    shown = io.StringIO()
    monkeypatch.setattr(
        stages,
        "Console",
        lambda **_: Console(file=shown, force_terminal=True, width=80, height=24, color_system=None),
    )
    return shown


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its last value is the time."""
    times = [1000.0]
    monkeypatch.setattr("pse_repro.progress.stages.time.monotonic", lambda: times[-1])
    return times


def test_lines_say_what_how_far_how_fast_and_how_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "LINE_SECONDS", -1.0)
    with Progress() as shown, shown.stage("cnn-mse pre-train", 1000) as stage:
        stage.note("epoch 1/4, validation 0.05")
        stage.advance(250)
    out, err = capsys.readouterr()
    assert out == ""
    first, last = err.splitlines()
    assert "cnn-mse pre-train: 25%" in first
    assert "images/s" in first
    assert first.endswith("left; epoch 1/4, validation 0.05")
    assert "done in" in last


def test_lines_of_a_study_come_every_ten_seconds_and_say_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    with Progress() as shown, shown.study(tmp_path, lambda: OUTLOOK), shown.stage("cnn-mse pre-train", 100) as stage:
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
    with Progress() as shown, shown.study(tmp_path, lambda: OUTLOOK), shown.cell(CELL):
        with shown.stage(f"{CELL} pre-train", 1000, epochs=4) as stage:
            clock.append(1005.0)
            stage.advance(250)
            stage.measure(0, {"train_loss": 0.3, "validation_loss": 0.2}, "validation_loss")
            clock.append(1006.5)
            stage.advance(75)
            shown._live.refresh()
        assert shown.on_terminal
    text = terminal.getvalue()
    for line in (
        "2 of 14 cells done, about 3.5 h left",
        f"{CELL}: pre-train, epoch 2 of 4",
        "━━━━━━──────────────  32%  50 images/s  at most 14 s left",
        "▁ validation loss 0.2",
    ):
        assert line in text


def test_a_stage_without_a_study_is_shown_too(terminal: io.StringIO) -> None:
    with Progress() as shown, shown.stage("verify", 10, unit="bytes") as stage:
        stage.advance(5)
        shown._live.refresh()
    assert "verify" in terminal.getvalue()
    assert "50%" in terminal.getvalue()


@pytest.mark.parametrize("options", [{"quiet": True}, {"lines": True}])
def test_no_view_where_none_is_wanted(terminal: io.StringIO, options: dict[str, bool]) -> None:
    with Progress(**options) as shown:
        assert not shown.on_terminal
    assert "\x1b" not in terminal.getvalue()


def test_a_cell_is_visible_to_others_from_its_begin_to_its_end(tmp_path: Path, clock: list[float]) -> None:
    folder = now_folder(tmp_path)
    shown = Progress(quiet=True)
    with shown.study(tmp_path):
        with shown.cell(CELL):
            assert read_nows(folder) == [Now(CELL)]
            with shown.stage(f"{CELL} frozen, 2 folds", 100) as stage:
                (found,) = read_nows(folder)
                assert (found.phase, found.done, found.epochs_done) == ("frozen, 2 folds", 0, None)
                stage.advance(10)
                assert read_nows(folder)[0].done == 0  # not again within a second
                clock.append(1001.5)
                stage.advance(10)
                assert read_nows(folder)[0].done == 20
        assert read_nows(folder) == []
        with shown.stage("baseline", 10):
            assert read_nows(folder) == []


def test_a_cell_that_ends_with_an_error_leaves_no_file(tmp_path: Path) -> None:
    shown = Progress(quiet=True)
    with pytest.raises(NotFitError), shown.study(tmp_path), shown.cell(CELL), shown.stage("x", 1):
        raise NotFitError("no")
    assert list(now_folder(tmp_path).iterdir()) == []


def test_losses_are_the_folds_means_by_epoch_and_begin_anew_with_the_next_fold() -> None:
    with Progress(quiet=True).stage("frozen, 2 folds", 100) as stage:
        for epoch, fold, loss in ((0, 1, 4.0), (0, 2, 2.0), (1, 1, 1.0), (1, 2, float("nan")), (2, 1, 0.5)):
            stage.measure(epoch, {"validation_loss": loss, "train_loss": 9.0}, "validation_loss", fold)
        assert stage.now("").losses == (3.0, None, 0.5)
        assert stage.now("").epochs_done == 3
        stage.measure(0, {"validation_loss": 7.0}, "validation_loss", 2)
        assert (stage.now("").losses, stage.now("").epochs_done) == ((7.0,), 1)
        assert stage.now("").loss == "validation loss"


def test_without_a_loss_epochs_are_counted_alone() -> None:
    with Progress(quiet=True).stage("knn, 2 folds", 100) as stage:
        stage.measure(0, {}, fold=1)
        assert (stage.now("").losses, stage.now("").epochs_done) == ((), 1)


def test_what_is_measured_goes_to_the_cell_s_log_by_its_phase() -> None:
    logged: list[tuple[str, int, object]] = []

    class Log:
        def add(self, phase: str, epoch: int, values: object) -> None:
            logged.append((phase, epoch, values))

    shown = Progress(quiet=True)
    with shown.cell(CELL, Log()), shown.stage(f"{CELL} pre-train", 9) as stage:
        stage.measure(3, {"train_loss": 1.0})
        stage.measure(4, {"train_loss": 0.5}, "train_loss", fold=2)
    with shown.stage("other", 9) as stage:
        stage.measure(0, {"train_loss": 1.0})
    assert logged == [("pre-train", 3, {"train_loss": 1.0}), ("pre-train", 4, {"fold-2/train_loss": 0.5})]


def test_the_outlook_is_asked_for_now_and_then_and_its_errors_pass(tmp_path: Path, clock: list[float]) -> None:
    asked = []

    def ask() -> Outlook:
        asked.append(clock[-1])
        if len(asked) == 2:
            raise NotFitError("damaged")
        return OUTLOOK

    shown = Progress(quiet=True)
    assert shown.outlook() is None
    with shown.study(tmp_path, ask):
        for time in (1000.0, 1001.0, 1016.0, 1017.0):
            clock.append(time)
            assert shown.outlook() == OUTLOOK
        shown.outlook(anew=True)
    assert asked == [1000.0, 1016.0, 1017.0]
    assert shown.outlook() is None


def test_the_view_passes_over_other_processes_files_that_are_torn(tmp_path: Path, terminal: io.StringIO) -> None:
    write_now(now_folder(tmp_path / "gone"), Now(CELL))  # the folder is not there: no error
    with Progress() as shown, shown.study(tmp_path):
        now_folder(tmp_path).mkdir()
        (now_folder(tmp_path) / "1.json").write_text('{"pid": 1, "now": {')
        write_now(now_folder(tmp_path), Now(CELL, "frozen"))
        shown._live.refresh()
    assert f"{CELL}: frozen" in terminal.getvalue()
