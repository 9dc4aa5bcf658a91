"""A cell's pre-training: how often its state is saved, and a run that gets forward however often it is stopped."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pse_repro.errors import NotFitError
from pse_repro.progress.stages import Progress
from pse_repro.run import pretrain
from pse_repro.run.pretrain import PretrainRun
from pse_repro.study import store
from pse_repro.study.records import Trained
from pse_repro.study.survey import cell_parts
from pse_repro.training.state import State
from tests.support.tiny import cell, context

pytestmark = pytest.mark.usefixtures("tiny_models", "no_pictures")
CELL = cell("pse", 3.0, epochs=2)  # an epoch has six batches to train and one to validate


class StoppedError(Exception):
    """Raised in place of a kill."""


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save the state after every batch."""
    monkeypatch.setattr(pretrain, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(pretrain, "SAVE_SHARE", 1e9)  # as if saving cost nothing


def after_each_save(monkeypatch: pytest.MonkeyPatch, do: Callable[[PretrainRun, State], None]) -> None:
    """Call `do` whenever the state has been saved."""
    save = PretrainRun._save

    def save_and_do(run: PretrainRun, state: State) -> None:
        save(run, state)
        do(run, state)

    monkeypatch.setattr(PretrainRun, "_save", save_and_do)


def stop(run: PretrainRun, state: State) -> None:
    raise StoppedError


def test_a_state_is_saved_after_each_epoch_and_within_one_that_takes_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves: list[tuple[int, int]] = []  # (epochs, steps within the next) at which the state is saved
    after_each_save(
        monkeypatch, lambda _, state: saves.append((state.epoch, state.partial.steps if state.partial else 0))
    )
    monkeypatch.setattr(pretrain, "SAVE_SHARE", 1e9)
    PretrainRun(CELL, context(tmp_path / "short")).complete()
    assert saves == [(1, 0), (2, 0)]
    saves.clear()
    monkeypatch.setattr(pretrain, "SAVE_SECONDS", 0.0)
    PretrainRun(CELL, context(tmp_path / "long")).complete()
    steps = [1, 2, 3, 4, 5, 6, 6]  # the last after the validation batch
    assert saves == [*((0, step) for step in steps), (1, 0), *((1, step) for step in steps), (2, 0)]


@pytest.mark.usefixtures("often")
def test_a_run_stopped_after_every_single_batch_ends_with_the_same_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = PretrainRun(CELL, context(tmp_path / "whole"))
    whole.complete()
    after_each_save(monkeypatch, stop)
    stops = 0
    while True:
        cut = PretrainRun(CELL, context(tmp_path / "cut", progress=Progress(lines=True)))
        try:
            cut.complete()
            break
        except StoppedError:
            stops += 1
    assert stops == 16
    of_whole, of_cut = (store.read_record(run.files.pretraining, Trained) for run in (whole, cut))
    assert of_cut.metrics == of_whole.metrics
    assert of_cut.checkpoint_sha256 == of_whole.checkpoint_sha256
    curves_of_whole, curves_of_cut = (pd.read_csv(run.files.curves).drop(columns="seconds") for run in (whole, cut))
    assert curves_of_cut.equals(curves_of_whole)
    assert cut.files.checkpoint.read_bytes() == whole.files.checkpoint.read_bytes()
    assert "pre-training resumed after epoch 1 of 2 and 3 steps" in capsys.readouterr().err


@pytest.mark.usefixtures("often")
def test_status_reads_the_seconds_of_a_partial_epoch_from_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_within_the_second_epoch(run: PretrainRun, state: State) -> None:
        if state.epoch == 1 and state.partial:
            raise StoppedError

    after_each_save(monkeypatch, stop_within_the_second_epoch)
    run = PretrainRun(CELL, context(tmp_path))
    with pytest.raises(StoppedError):
        run.complete()
    part = cell_parts(tmp_path, CELL)[0]
    note = store.read_tensors(run.files.state)[1]
    assert (part.done, part.total) == (1, 2)
    assert part.seconds == note["curves"][0]["seconds"] > 0
    assert part.begun == note["partial"]["seconds"] > 0


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("change", [{"steps": None}, {"metrics": 3}, {"seconds": "long"}, {"prepared": []}, None])
def test_a_state_with_a_damaged_partial_epoch_is_refused_in_one_line(
    change: dict[str, object] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damage(run: PretrainRun, state: State) -> None:
        tensors, note = store.read_tensors(run.files.state)
        note["partial"] = 5 if change is None else note["partial"] | change
        store.write_tensors(run.files.state, tensors, note)
        raise StoppedError

    with monkeypatch.context() as patched:
        after_each_save(patched, damage)
        with pytest.raises(StoppedError):
            PretrainRun(CELL, context(tmp_path)).complete()
    with pytest.raises(NotFitError, match=r"state\.safetensors is not a state of this cell; delete it to restart"):
        PretrainRun(CELL, context(tmp_path)).complete()
