"""Accuracy against the length of pre-training: the points of each model, and the runs that have the figure."""

from pathlib import Path

import pandas as pd

from pse_repro.config.study import Model
from pse_repro.report.pictures.lengths import curves, section
from pse_repro.study import store
from pse_repro.study.record import Run
from pse_repro.tables import write_table
from tests.support.stored_run import store_run, study

MODELS = (Model("cnn", "mse"), Model("cnn", "pse", 3.0), Model("cnn", "random"))
EVALUATIONS = ("linear@1", "linear@2", "linear", "knn")


def stored(directory: Path, evaluations: tuple[str, ...]) -> Run:
    """Store two seeds of a run of five epochs; a score is ten times the model's number, plus the epochs and seed."""
    of = study(models=MODELS, evaluations=evaluations, folds=1, epochs=5, protocols=("as-described",))
    rows = [
        cell.key | {"evaluation": evaluation, "fold": fold, "metric": "top1", "value": value + add}
        for cell in store_run(directory, of, seeds=2)
        for evaluation in cell.evaluations
        for value in [10 * MODELS.index(cell.model) + int(evaluation.partition("@")[2] or 5) + cell.seed]
        for fold, add in (("1", 50), ("ensemble", 0))
    ]
    conditions = {"study": of.name, "data": "stl10", "device": "cpu", "precision": "fp32", "scale": of.scale}
    write_table(pd.DataFrame(rows).assign(**conditions), directory / "results.csv", store.write_bytes)
    return Run.open(directory)


def test_points_are_ensembles_by_epochs_and_an_untrained_encoder_has_none(tmp_path: Path) -> None:
    run = stored(tmp_path, EVALUATIONS)
    assert curves(run, run.protocols[0], "linear") == {
        "CNN-MSE": {1: [1, 2], 2: [2, 3], 5: [5, 6]},
        "CNN-PSE-3": {1: [11, 12], 2: [12, 13], 5: [15, 16]},
        "CNN-RANDOM": {0: [25, 26]},
    }
    (found,) = section(run)
    (picture,) = found.pictures
    assert picture.name == "lengths-as-described.svg"
    assert "linear: CNN-MSE 1.50 after 1, 2.50 after 2, 5.50 after 5, CNN-PSE-3 11.50 after 1" in picture.alt
    assert "CNN-RANDOM 25.50" in picture.alt
    assert "knn" not in picture.alt  # only evaluated at the end
    assert b"<svg" in picture.drawing.content


def test_a_run_without_earlier_evaluations_has_no_such_figure(tmp_path: Path) -> None:
    assert section(stored(tmp_path, ("linear", "knn"))) == []
