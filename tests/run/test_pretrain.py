"""A cell's pre-training: how often its state is saved, and a run that gets forward however often it is stopped."""

from pathlib import Path

import pandas as pd
import pytest

from pse_repro.errors import NotFitError
from pse_repro.progress.stages import Progress
from pse_repro.run import pretrain
from pse_repro.run.pretrain import PretrainRun
from pse_repro.study import store
from pse_repro.study.survey import cell_parts
from pse_repro.training.state import State
from tests.support.tiny import cell, context

pytestmark = pytest.mark.usefixtures("tiny_models")
CELL = cell("pse", 3.0, epochs=2)  # an epoch has six batches to train and one to validate


class StoppedError(Exception):
    """Raised in place of a kill."""


@pytest.fixture
def saves(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return the list of (epochs, steps within the next) at which the state is saved."""
    found, save = [], PretrainRun._save

    def recorded(run: PretrainRun, state: State) -> None:
        save(run, state)
        found.append((state.epoch, state.partial.steps if state.partial else 0))

    monkeypatch.setattr(PretrainRun, "_save", recorded)
    monkeypatch.setattr(pretrain, "SAVE_SHARE", 1e9)  # as if saving cost nothing
    return found


def test_a_state_is_saved_after_each_epoch_and_within_one_that_takes_long(
    tmp_path: Path, saves: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    PretrainRun(CELL, context(tmp_path / "short")).complete()
    assert saves == [(1, 0), (2, 0)]
    saves.clear()
    monkeypatch.setattr(pretrain, "SAVE_SECONDS", 0.0)
    PretrainRun(CELL, context(tmp_path / "long")).complete()
    steps = [1, 2, 3, 4, 5, 6, 6]  # the last after the validation batch
    assert saves == [*((0, step) for step in steps), (1, 0), *((1, step) for step in steps), (2, 0)]


def test_a_run_stopped_after_every_single_batch_ends_with_the_same_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = PretrainRun(CELL, context(tmp_path / "whole"))
    expected = whole.complete()
    monkeypatch.setattr(pretrain, "SAVE_SECONDS", 0.0)
    save, stops = PretrainRun._save, 0

    def save_and_stop(run: PretrainRun, state: State) -> None:
        save(run, state)
        raise StoppedError

    monkeypatch.setattr(PretrainRun, "_save", save_and_stop)
    while True:
        cut = PretrainRun(CELL, context(tmp_path / "cut", progress=Progress(lines=True)))
        try:
            found = cut.complete()
            break
        except StoppedError:
            stops += 1
    assert stops == 16
    assert found == expected
    of_whole, of_cut = (pd.read_csv(run.files.curves).drop(columns="seconds") for run in (whole, cut))
    assert of_cut.equals(of_whole)
    assert cut.files.checkpoint.read_bytes() == whole.files.checkpoint.read_bytes()
    assert "pre-training resumed after epoch 1 of 2 and 3 steps" in capsys.readouterr().err


def test_status_reads_the_seconds_of_a_partial_epoch_from_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "SAVE_SECONDS", 0.0)
    save = PretrainRun._save

    def save_and_stop(run: PretrainRun, state: State) -> None:
        save(run, state)
        if state.epoch == 1 and state.partial:
            raise StoppedError

    monkeypatch.setattr(PretrainRun, "_save", save_and_stop)
    run = PretrainRun(CELL, context(tmp_path))
    with pytest.raises(StoppedError):
        run.complete()
    part = cell_parts(tmp_path, CELL)[0]
    note = store.read_tensors(run.files.state)[1]
    assert (part.done, part.total) == (1, 2)
    assert part.seconds == note["curves"][0]["seconds"] > 0
    assert part.begun == note["partial"]["seconds"] > 0


@pytest.mark.parametrize("change", [{"steps": None}, {"metrics": 3}, {"seconds": "long"}, {"prepared": []}, None])
def test_a_state_with_a_damaged_partial_epoch_is_refused_in_one_line(
    change: dict[str, object] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pretrain, "SAVE_SECONDS", 0.0)
    save = PretrainRun._save

    def save_damaged(run: PretrainRun, state: State) -> None:
        save(run, state)
        tensors, note = store.read_tensors(run.files.state)
        note["partial"] = 5 if change is None else note["partial"] | change
        store.write_tensors(run.files.state, tensors, note)
        raise StoppedError

    with monkeypatch.context() as patched:
        patched.setattr(PretrainRun, "_save", save_damaged)
        with pytest.raises(StoppedError):
            PretrainRun(CELL, context(tmp_path)).complete()
    with pytest.raises(NotFitError, match=r"state\.safetensors is not a state of this cell; delete it to restart"):
        PretrainRun(CELL, context(tmp_path)).complete()
