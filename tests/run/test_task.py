"""Cells as tasks for other processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from pse_repro.config.study import Subset
from pse_repro.data.stl10 import open_dataset
from pse_repro.errors import CellError
from pse_repro.run.context import RunContext
from pse_repro.run.task import Task, run_cell, run_task, sharing_a_checkpoint
from pse_repro.study.cells import Cell
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
    logged: list[tuple[str, int, object]] = []

    class Log:
        def add(self, phase: str, epoch: int, values: object) -> None:
            logged.append((phase, epoch, values))

    class Measured:
        def __init__(self, chosen: Cell, context: RunContext) -> None:
            self.progress = context.progress

        def run(self) -> pd.DataFrame:
            with self.progress.stage(f"{cell().name} pre-train", 10) as stage:
                stage.measure(0, {"train_loss": 1.0})
            return pd.DataFrame()

    @contextmanager
    def open_log(*arguments: object) -> Iterator[Log]:
        opened.append(arguments)
        yield Log()

    monkeypatch.setattr("pse_repro.run.task.CellRun", Measured)
    monkeypatch.setattr("pse_repro.run.task.open_scalars", open_log)
    run_cell(cell(), context(tmp_path, log_to="tensorboard"))
    assert logged == [("pre-train", 0, {"train_loss": 1.0})]
    ((log_to, directory, name, parameters),) = opened
    assert (log_to, directory, name) == ("tensorboard", tmp_path, cell().name)
    assert isinstance(parameters, dict)
    expected = {"model.objective": "mse", "pretrain.epochs": 2, "settings.batch_size": 8, "seed": 0}
    assert expected.items() <= parameters.items()


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
    assert [outcome.error for outcome in outcomes] == ["", "diverged"]
    assert outcomes[1].rows is None
    assert (tmp_path / "cells" / cells[1].name / "failed.json").is_file()
    images = seen[0][1].data
    assert (images.name, images.md5, len(images.unlabeled)) == (data.name, data.md5, 30)
