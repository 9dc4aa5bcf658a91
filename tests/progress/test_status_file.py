"""Status files: complete, and only of living processes; a stage as the status of a process."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.errors import NotFitError
from pse_repro.progress.facts import Epoch
from pse_repro.progress.listener import Stage
from pse_repro.progress.status_file import (
    ProcessStatus,
    StatusFile,
    kept_while_running,
    process_status,
    read_statuses,
    remove_status,
    thinned,
    write_status,
)
from pse_repro.study.address import RunFiles
from tests.support.processes import dead_process, written_by

HERE = ProcessStatus("as-released/cnn-mse-seed0", "pre-train", 3, 9, "images", 1.5, 1, 3, (0.5, None), "epoch 1/3")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return RunFiles(tmp_path).statuses


def test_what_is_written_is_read_and_replaced_and_removed(folder: Path) -> None:
    write_status(folder, HERE)
    assert read_statuses(folder) == [HERE]
    assert [path.name for path in folder.iterdir()] == [f"{os.getpid()}.json"]
    later = replace(HERE, done=6)
    write_status(folder, later)
    assert read_statuses(folder) == [later]
    remove_status(folder)
    remove_status(folder)
    assert list(folder.iterdir()) == []


def test_two_processes_in_the_order_of_their_cells(folder: Path) -> None:
    write_status(folder, HERE)
    other = replace(HERE, cell="as-described/cnn-mse-seed0")
    written_by(folder, os.getppid(), other)
    assert read_statuses(folder) == [other, HERE]


def test_files_of_dead_processes_are_passed_over_and_removed_where_that_is_wanted(folder: Path) -> None:
    stale = written_by(folder, dead_process(), HERE)
    assert read_statuses(folder) == []
    assert stale.exists()
    write_status(folder, HERE)
    assert read_statuses(folder, remove_stale=True) == [HERE]
    assert not stale.exists()


def test_another_machine_s_processes_cannot_be_asked_for_and_count(folder: Path) -> None:
    written_by(folder, dead_process(), HERE, machine="another")
    assert read_statuses(folder, remove_stale=True) == [HERE]


def test_another_user_s_process_lives(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: int, __: int) -> None:
        raise PermissionError

    written_by(folder, 12345, HERE)
    monkeypatch.setattr(os, "kill", refused)
    assert read_statuses(folder) == [HERE]


@pytest.mark.parametrize("length", [0, 1, 20, 60, -1])
def test_truncated_files_are_passed_over(folder: Path, length: int) -> None:
    write_status(folder, HERE)
    path = next(folder.iterdir())
    path.write_bytes(path.read_bytes()[:length])
    assert read_statuses(folder, remove_stale=True) == []


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"pid": 1, "machine": "x", "now": {"losses": [], "new": 1}}'])
def test_files_of_another_form_are_passed_over(folder: Path, content: str) -> None:
    folder.mkdir()
    (folder / "1.json").write_text(content)
    (folder / "2.json").write_bytes(b"\xff")
    assert read_statuses(folder) == []


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    folder = tmp_path / "absent" / "now"
    write_status(folder, HERE)
    remove_status(folder)
    assert read_statuses(folder) == []


def test_a_run_begins_without_the_files_of_one_that_was_killed_and_leaves_none(tmp_path: Path, folder: Path) -> None:
    written_by(folder, os.getppid(), HERE)
    with kept_while_running(RunFiles(tmp_path).statuses):
        assert read_statuses(folder) == []
        written_by(folder, os.getppid(), HERE)
    assert not folder.exists()


def test_what_others_keep_in_its_folder_is_left_alone(tmp_path: Path, folder: Path) -> None:
    written_by(folder, os.getppid(), HERE)
    (folder / "7.part").touch()
    kept = ("notes.txt", "a.json", "7.json.bak", "9.json/inside", "thesis/8.json")
    for name in kept:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("mine")
    os.mkfifo(folder / "8.json")
    with kept_while_running(RunFiles(tmp_path).statuses):
        assert read_statuses(folder) == []
    assert {path.name for path in folder.iterdir()} == {
        "notes.txt",
        "a.json",
        "7.json.bak",
        "9.json",
        "thesis",
        "8.json",
    }
    assert all((folder / name).read_text() == "mine" for name in kept)


def test_nothing_is_removed_through_a_link(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "7.json").touch()
    folder.symlink_to(tmp_path / "elsewhere")
    with kept_while_running(RunFiles(tmp_path).statuses):
        pass
    assert (tmp_path / "elsewhere" / "7.json").exists()
    assert folder.is_symlink()


def test_rates_and_time_left() -> None:
    assert (HERE.per_second, HERE.seconds_left) == (2.0, 3.0)
    assert (ProcessStatus("x", "y", 0, 9).per_second, ProcessStatus("x", "y", 0, 9).seconds_left) == (0.0, None)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.integers(1, 60))
def test_thinned_against_one_value_after_another(values: list[float], count: int) -> None:
    """Each value belongs to exactly one share; few values are unchanged."""
    count = min(count, len(values))
    shares: list[list[float]] = [[] for _ in range(count)]
    for index, value in enumerate(values):
        share = max(k for k in range(count) if k * len(values) // count <= index)
        shares[share].append(value)
    expected = [sum(share) / len(share) for share in shares]
    assert thinned(values, count) == pytest.approx(expected)
    assert thinned(values, 200) == values


def test_losses_are_the_means_of_the_folds_in_progress() -> None:
    stage = Stage("frozen", 100, folds=(1, 2))
    for number, fold, loss in ((0, 1, 4.0), (0, 2, 2.0), (1, 1, 1.0), (1, 2, float("nan")), (2, 1, 0.5)):
        stage.measure(Epoch(number, 9.0, loss, fold))
    status = process_status(stage)
    assert (status.losses, status.epochs_done, status.loss) == ((3.0, None, 0.5), 3, "validation loss")
    assert (status.phase, status.note) == ("frozen, 2 folds", "fold 1, epoch 3, validation loss 0.5")
    stage.end_fold(1)
    status = process_status(stage)
    assert (status.losses, status.epochs_done) == ((2.0, None), 2)


def test_folds_one_after_another_have_curves_of_their_own() -> None:
    stage = Stage("finetune", 100, folds=(4, 5))
    for fold, losses in ((4, (3.0, 2.0)), (5, (7.0,))):
        for number, loss in enumerate(losses):
            stage.measure(Epoch(number, None, loss, fold))
            assert process_status(stage).losses == losses[: number + 1]
        stage.end_fold(fold)
        assert process_status(stage).losses == losses  # until the next fold has an epoch


def test_without_a_loss_epochs_are_counted_alone() -> None:
    stage = Stage("knn", 100, folds=(2,))
    assert process_status(stage).epochs_done is None
    stage.measure(Epoch(0, fold=2))
    status = process_status(stage)
    assert (status.losses, status.epochs_done, status.note) == ((), 1, "fold 2, epoch 1")
    assert status.phase == "knn, fold 2"


def test_many_epochs_are_thinned_out_for_the_file() -> None:
    stage = Stage("pre-train", 10**6, epochs=500)
    assert process_status(stage).epochs_done == 0
    for number in range(500):
        stage.measure(Epoch(number, 1.0, 0.5))
    status = process_status(stage)
    assert (len(status.losses), set(status.losses), status.epochs_done) == (120, {0.5}, 500)
    assert status.note == "epoch 500/500, validation loss 0.5"


def test_a_file_is_updated_by_epochs_at_most_once_a_second(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: times[-1])
    file = StatusFile(folder, "a/b")
    assert read_statuses(folder) == [ProcessStatus("a/b")]
    stage = Stage("pre-train", 10, "a/b", epochs=3, listeners=[file])
    file.began(stage)
    for after, seen in ((0.5, 0), (1.5, 2), (2.0, 2)):
        times.append(1000.0 + after)
        stage.measure(Epoch(len(stage.history), 1.0, 0.5))
        assert read_statuses(folder)[0].epochs_done == seen
    file.ended(stage, completed=True)
    assert read_statuses(folder) == [ProcessStatus("a/b")]
    file.remove()
    assert read_statuses(folder) == []


@pytest.mark.parametrize("what", ["removed", "renamed", "another"])
def test_a_run_that_is_gone_ends_its_processes_and_is_not_begun_anew(tmp_path: Path, what: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    file = StatusFile(RunFiles(run).statuses, "cell")
    stage = Stage("pre-train", 9)
    file.began(stage)
    run.rename(tmp_path / "moved")
    if what == "removed":
        shutil.rmtree(tmp_path / "moved")
    elif what == "another":
        run.mkdir()
    for report in (lambda: file.measured(stage, Epoch(0)), lambda: file.ended(stage, False)):
        with pytest.raises(
            NotFitError, match="run was removed or renamed while this command worked in it: move it back"
        ):
            report()
    assert not (run / "now").exists()
    file.remove()
