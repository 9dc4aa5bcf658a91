"""A run's status, read from its directory: nothing is written there, and no lock is taken from a run."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from pse_repro.errors import UsageError
from pse_repro.progress.facts import TimeLeft
from pse_repro.progress.status_file import ProcessStatus
from pse_repro.study import prepare, store
from pse_repro.study.address import CellFiles, RunFiles
from pse_repro.study.record import Run
from pse_repro.study.status import is_held, read_status
from tests.support.finished_run import LONG_AGO, forget, stored, text, undo, working, write_state
from tests.support.processes import dead_process, written_by
from tests.support.stored_run import trained


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_a_run_that_is_done(run: Path) -> None:
    cells = stored(run)
    found = read_status(run)
    assert (found.state, found.cells, found.done, found.failed, found.working) == ("complete", 2, 2, {}, [])
    assert (found.left.seconds, found.began) == (0.0, LONG_AGO)
    assert {result.cell for result in found.results} == {cell.name for cell in cells}
    assert "2 done, 0 failed, 0 to go" in text(run)
    assert "left" not in text(run)


def test_the_results_are_those_of_the_table(run: Path) -> None:
    cells = stored(run)
    os.utime(CellFiles(run, cells[0]).provenance, (LONG_AGO + 99, LONG_AGO + 99))
    table = Run.open(run).results
    rows = table[table["fold"].eq("ensemble") & table["metric"].eq("top1") & table["objective"].eq("mse")]
    expected = dict(zip(rows["evaluation"], rows["value"], strict=True))
    newest = read_status(run).results[0]
    assert (newest.cell, newest.top1, newest.written) == (cells[0].name, expected, LONG_AGO + 99)


def test_a_run_that_was_stopped(run: Path) -> None:
    _, second = stored(run)
    undo(run, second)
    found = read_status(run)
    assert (found.state, found.done, found.working) == ("stopped", 1, [])
    assert found.left.seconds == 125 + 4 * 4  # a pre-training and four folds, as long as the first cell's
    assert "run its command again to resume it" in text(run)


def test_baselines_on_pixels_are_part_of_a_run(run: Path) -> None:
    """Both protocols have the same folds, so each baseline has two folds in all; switch 11 changes them."""
    stored(run, baselines=("pixels", "pca", "random"), protocols=("as-released", "as-described"))
    found = read_status(run)
    assert (found.state, found.done, found.cells, found.baseline_folds) == ("stopped", 6, 6, 4)
    stored(run, baselines=("pixels", "pca"), protocols=("as-released", "as-described"))
    assert "and the baselines on pixels: 4 folds to go" in text(run)
    for name in ("pixels", "pca"):
        for number in (1, 2):
            store.write_npz(run / "baselines" / f"{name}-as-text-5" / f"fold-{number}.npz", x=np.zeros(1))
    assert (read_status(run).state, read_status(run).baseline_folds) == ("complete", 0)
    stored(run, baselines=("pixels",), protocols=("as-released+11",))
    assert (read_status(run).state, read_status(run).baseline_folds) == ("stopped", 2)


def test_a_model_that_is_pre_trained_alone_is_not_done(run: Path) -> None:
    first, _ = stored(run)
    forget(CellFiles(run, first).evaluation("frozen"))
    assert read_status(run).done == 1


def test_a_run_without_anything_yet(run: Path) -> None:
    cells = stored(run)
    undo(run, *cells)
    forget(run / "results.csv")
    with prepare.locked(run):
        found = read_status(run)
    assert (found.state, found.done, found.results) == ("running", 0, [])
    assert [each.cell for each in found.working] == [cells[0].name]
    assert found.left == TimeLeft(None, 0.0, ("finetune cnn statistics-only", "frozen cnn", "pretrain cnn"))


def test_phases_of_the_cell_in_progress(run: Path) -> None:
    _, second = stored(run)
    undo(run, second)
    assert working(run) == [(second.name, "pretrain", 0, 5)]
    folds = [CellFiles(run, second).fold("finetune", number) for number in (1, 2)]
    folds += [CellFiles(run, second).fold("frozen", number) for number in (1, 2)]
    store.write_json(CellFiles(run, second).pretraining, trained(3.0))
    seen = []
    for path in folds:
        seen += working(run)
        store.write_npz(path, seconds=np.array(1.0))
    phases = [("finetune", 0, 2), ("finetune", 1, 2), ("frozen", 0, 2), ("frozen", 1, 2)]
    assert seen == [(second.name, *phase) for phase in phases]
    assert working(run) == [(second.name, "finish", 0, 0)]


def test_epochs_and_their_seconds_come_from_the_state(run: Path) -> None:
    _, second = stored(run, epochs=9)
    undo(run, second)
    write_state(run, second, [10.0, 20.0])
    assert working(run) == [(second.name, "pretrain", 2, 9)]
    with prepare.locked(run):
        assert f"now      {second.name}: pretrain, 2 of 9 epochs, 15 s each" in text(run)


def test_side_by_side_every_cell_that_is_run_is_shown_and_no_other(run: Path) -> None:
    """Two protocols share the pre-training: the second's cells wait for the first's, in the same process."""
    protocols = ("as-released", "as-released+7")
    first, second, *_ = cells = stored(run, epochs=9, protocols=protocols)
    undo(run, *cells)
    write_state(run, first, [1.0])
    assert [name for name, *_ in working(run)] == [first.name]
    write_state(run, second, [1.0])
    assert [name for name, *_ in working(run)] == [first.name, second.name]
    os.utime(CellFiles(run, second).state, (1.0, 1.0))  # of an earlier session
    assert [name for name, *_ in working(run)] == [first.name]


def test_side_by_side_a_group_goes_on_with_its_next_cell(run: Path) -> None:
    """The second model's cells overtake the first model's, whose pre-training takes longer."""
    first, second, _, second_again = stored(run, epochs=9, protocols=("as-released", "as-released+7"))
    now = time.time()
    for cell in (first, second_again):
        forget(CellFiles(run, cell).folder)
    forget(CellFiles(run, first).model)
    forget(CellFiles(run, second_again).evaluation("finetune"))
    for path in (CellFiles(run, second).provenance, CellFiles(run, second).pretraining):
        os.utime(path, (now, now))
    write_state(run, first, [1.0])
    assert working(run) == [(first.name, "pretrain", 1, 9), (second_again.name, "finetune", 0, 2)]


def test_one_after_another_a_pre_training_that_waits_for_its_second_cell_is_not_in_progress(run: Path) -> None:
    *_, first_again, second_again = stored(run, protocols=("as-released", "as-released+7"))
    for cell in (first_again, second_again):
        forget(CellFiles(run, cell).folder)
        forget(CellFiles(run, cell).evaluation("finetune"))
    now = time.time()
    for path in run.glob("models/*/pretrain.json"):
        os.utime(path, (now, now))  # in this session
    assert working(run) == [(first_again.name, "finetune", 0, 2)]


def test_dead_processes_and_torn_files_say_nothing(run: Path) -> None:
    first, second = stored(run, epochs=9)
    undo(run, first, second)
    written_by(RunFiles(run).statuses, dead_process(), ProcessStatus(second.name, "pre-train", 1, 2))
    (RunFiles(run).statuses / "1.json").write_text('{"pid": 1, "mach')
    assert working(run) == [(first.name, "pretrain", 0, 9)]
    with prepare.locked(run):
        assert read_status(run).working[0].live is None


def test_a_failure_counts_until_it_is_tried_again(run: Path) -> None:
    first, second = stored(run)
    undo(run, second)
    path = CellFiles(run, second).failed
    store.write_json(path, {"error": "cnn-pse-3: validation_loss is nan in epoch 3"})
    found = read_status(run)
    assert (found.state, list(found.failed)) == ("failed", [second.name])
    assert f"failed   {second.name}: cnn-pse-3: validation_loss is nan in epoch 3"[:79] in text(run)
    with prepare.locked(run):
        assert list(read_status(run).failed) == [second.name]
        os.utime(path, (LONG_AGO - 1, LONG_AGO - 1))
        assert read_status(run).failed == {}
        assert [each.cell for each in read_status(run).working] == [second.name]
    assert first.name not in read_status(run).failed


def test_the_lock_is_seen_and_left_alone(run: Path) -> None:
    assert is_held(run) is False  # there is no such directory
    with prepare.locked(run):
        assert is_held(run) is True
        assert is_held(run) is True
    assert is_held(run) is False
    with prepare.locked(run):  # the test of the lock left it free
        assert is_held(run) is True


def test_where_locks_cannot_be_tested_it_says_so(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(37, "No locks available")

    cells = stored(run)
    (run / ".lock").touch()
    monkeypatch.setattr("fcntl.flock", unsupported)
    assert read_status(run).state == "complete"
    undo(run, cells[1])
    assert read_status(run).state == "unknown"
    assert "cannot tell whether a process holds it" in text(run)


def test_nothing_is_written(run: Path) -> None:
    _, second = stored(run)
    undo(run, second)
    write_state(run, second, [1.0])

    def seen() -> dict[Path, tuple[int, int, int]]:
        facts = {path: path.stat() for path in [run, *run.rglob("*")]}
        return {path: (fact.st_mtime_ns, fact.st_ctime_ns, fact.st_size) for path, fact in facts.items()}

    with prepare.locked(run):
        before = seen()
        text(run)
        assert seen() == before


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run directory"):
        read_status(tmp_path)
