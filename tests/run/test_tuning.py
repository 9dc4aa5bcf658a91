"""A search for settings, run and resumed, and judged on labelled images that are held out, never on test images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pse_repro.config.study import Model, OptimizerSettings, Study, Tried, Tuning
from pse_repro.data.stl10 import Dataset, Split
from pse_repro.run.tuning import search
from pse_repro.study.record import Run
from tests.support.tiny import context, dataset, protocol

pytestmark = pytest.mark.usefixtures("tiny_models", "no_pictures")
TUNING = Tuning((OptimizerSettings(learning_rate=1e-3), OptimizerSettings(learning_rate=1e30)), 0.4)
STUDY = Study("tiny", "reduced", "paper", 1, (Model("cnn", "mse"), Model("cnn", "supervised")), folds=1)


def searched(folder: Path, data: Dataset) -> list[Tried]:
    study = replace(STUDY, tuning=TUNING)
    return search(study, TUNING, [protocol("as-described")], context(folder, data), fresh=False, jobs=1)


def test_each_try_has_a_score_on_held_out_images_and_its_cost_and_is_done_once(tmp_path: Path) -> None:
    data = dataset(train=150)
    data = replace(data, test=Split(np.zeros((2, 3, 96, 96), np.uint8), np.ones(2, np.uint8)))  # are not looked at
    found = searched(tmp_path, data)
    assert [(each.model, each.number) for each in found] == [
        ("cnn-mse", 1), ("cnn-mse", 2), ("cnn-supervised", 1), ("cnn-supervised", 2),
    ]  # fmt: skip
    run = Run.open(tmp_path)
    top1 = run.results[run.results["fold"].eq("ensemble") & run.results["metric"].eq("top1")].set_index("objective")
    for each in found:
        assert each.score == top1["value"].get(f"{each.model.removeprefix('cnn-')}+try-{each.number}")
    assert found[0].score is not None
    assert found[0].seconds > 0
    assert found[1].score is None  # it diverged, and ends no search
    (cell,) = [cell for cell in run.cells if cell.model.name == "cnn-mse+try-1"]
    note = run.provenance(cell)
    assert note is not None
    assert note.data.images["train"] + note.data.images["test"] == 150
    assert searched(tmp_path, data) == found  # also in seconds
