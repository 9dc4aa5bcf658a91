"""Cells as tasks for other processes."""

import importlib.util
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pse_repro.config.study import Subset
from pse_repro.data.stl10 import open_dataset
from pse_repro.errors import CellError
from pse_repro.machine.device import Machine
from pse_repro.progress.facts import Epoch
from pse_repro.progress.listener import Listener, Stage
from pse_repro.run.context import RunContext
from pse_repro.run.pretrain import PretrainRun
from pse_repro.run.task import Task, run_cell, run_task, sharing_a_checkpoint
from pse_repro.study import store
from pse_repro.study.address import RunFiles
from pse_repro.study.cells import Cell
from pse_repro.training.state import State
from tests.support.tiny import cell, context, protocol, write_images

pytestmark = pytest.mark.usefixtures("tiny_models")


def test_cells_that_share_a_pre_training_go_together(tmp_path: Path) -> None:
    released, frozen_otherwise = cell(), cell(under=protocol("as-released+8"))
    pse, clipped_otherwise = cell("pse", 3.0), cell(under=protocol(switches={"gradient_clipping": False}))
    groups = sharing_a_checkpoint([released, pse, frozen_otherwise, clipped_otherwise], tmp_path)
    assert groups[1:] == [(pse,), (clipped_otherwise,)]
    assert groups[0] == (released, frozen_otherwise)


def test_a_cell_s_epochs_go_to_its_log_with_what_it_is_trained_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[object, ...]] = []
    logged: list[tuple[str, Epoch]] = []

    class Log(Listener):
        def measured(self, stage: Stage, epoch: Epoch) -> None:
            logged.append((stage.phase, epoch))

    class Measured:
        def __init__(self, chosen: Cell, context: RunContext) -> None:
            self.progress = context.progress

        def run(self) -> pd.DataFrame:
            with self.progress.stage("pre-train", 10, cell=cell().name) as stage:
                stage.measure(Epoch(0, 1.0))
            return pd.DataFrame()

    @contextmanager
    def open_log(*arguments: object) -> Iterator[Log]:
        opened.append(arguments)
        yield Log()

    monkeypatch.setattr("pse_repro.run.task.CellRun", Measured)
    monkeypatch.setattr("pse_repro.run.task.open_scalars", open_log)
    run_cell(cell(), context(tmp_path, log_to="tensorboard"))
    assert logged == [("pre-train", Epoch(0, 1.0))]
    ((log_to, folder, parameters),) = opened
    assert (log_to, folder) == ("tensorboard", RunFiles(tmp_path).scalars / cell().name)
    assert isinstance(parameters, dict)
    expected = {"model.objective": "mse", "pretrain.epochs": 2, "settings.batch_size": 8, "seed": 0}
    assert expected.items() <= parameters.items()


@pytest.mark.parametrize("reason", ["the features are too large", f"{cell().pretraining_id}/knn: the loss is nan"])
def test_the_reason_of_a_failed_cell_names_the_cell(
    reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise CellError(reason)

    monkeypatch.setattr("pse_repro.run.task.CellRun.run", fail)
    outcome = run_cell(cell(), context(tmp_path))
    assert outcome.error.endswith(reason)
    assert outcome.error.startswith(cell().pretraining_id)
    assert outcome.error.count(cell().pretraining_id) == 1
    assert store.read_json(context(tmp_path).files(cell()).failed) == {"error": outcome.error}


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="the extra is not installed")
def test_epochs_of_a_cell_that_is_resumed_are_logged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is killed after the first, saved epoch, and before the second fold is saved, which is then refitted."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    of = replace(cell(under=protocol("as-described", stopping_patience=9)), evaluations=("finetune",))

    def run() -> None:
        run_cell(of, context(tmp_path, log_to="tensorboard"))

    class KilledError(Exception):
        pass

    save, write = PretrainRun._save, store.write_npz

    def save_and_stop(pretraining: PretrainRun, state: State) -> None:
        save(pretraining, state)
        raise KilledError

    def write_or_stop(path: Path, **arrays: np.ndarray) -> None:
        if path.name == "fold-2.npz":
            raise KilledError
        write(path, **arrays)

    for owner, name, stop in ((PretrainRun, "_save", save_and_stop), (store, "write_npz", write_or_stop)):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, stop)
            with pytest.raises(KilledError):
                run()
    run()
    stored = EventAccumulator(str(tmp_path / "tensorboard" / of.name), size_guidance={"scalars": 0}).Reload()
    steps = {tag: [event.step for event in stored.Scalars(tag)] for tag in stored.Tags()["scalars"]}
    losses = {tag: found for tag, found in steps.items() if tag.endswith("/validation_loss")}
    assert losses == {
        "pre-train/validation_loss": [0, 1],
        "finetune/fold-1/validation_loss": [0, 1, 2],
        "finetune/fold-2/validation_loss": [0, 1, 2],
    }
    assert {"pre-train/train_loss", "pre-train/validation_mse", "pre-train/seconds"} < set(steps)
    assert steps["pre-train/train_loss"] == [0, 1]


@pytest.mark.usefixtures("settings_put_back")
def test_a_process_of_a_deterministic_run_is_deterministic(tmp_path: Path) -> None:
    here = context(tmp_path, open_dataset(write_images(tmp_path / "photos")))
    for deterministic in (False, True):
        machine = Machine(torch.device("cpu"), "fp32", deterministic)
        pickle.loads(pickle.dumps(replace(here, machine=machine).portable(Subset()))).open()
        assert torch.are_deterministic_algorithms_enabled() == deterministic


def test_a_task_opens_the_same_images_and_gives_the_cells_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_images(tmp_path / "photos")
    data = open_dataset(folder)
    assert data.place is not None
    cells = (cell(epochs=1), cell("pse", 3.0, epochs=1))
    seen = []

    class Recorded:
        def __init__(self, chosen: Cell, context: RunContext) -> None:
            seen.append((chosen, context))

        def run(self) -> pd.DataFrame:
            if len(seen) == 2:
                raise CellError("diverged")
            return pd.DataFrame([{"value": 1.0}])

    monkeypatch.setattr("pse_repro.run.task.CellRun", Recorded)
    subset = Subset(unlabeled=30)
    outcomes = run_task(Task(cells, context(tmp_path, data).portable(subset)))
    assert [outcome.cell for outcome in outcomes] == list(cells)
    assert [outcome.error for outcome in outcomes] == ["", f"{cells[1].pretraining_id}: diverged"]
    assert outcomes[1].rows is None
    assert (tmp_path / "cells" / cells[1].name / "failed.json").is_file()
    images = seen[0][1].data
    assert (images.name, images.md5, len(images.unlabeled)) == (data.name, data.md5, 30)
