"""The tables of a study with a search for settings: both settings of every model, and all tries."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from pse_repro.config.study import Model, OptimizerSettings, Study, Tried, Tuning
from pse_repro.report.tuning import tuning_tables
from pse_repro.study import store
from pse_repro.study.record import Run
from pse_repro.study.tuning import tuned
from pse_repro.tables import write_table
from tests.support.stored_run import report, store_run, study

TUNING = Tuning((OptimizerSettings(learning_rate=1e-3), OptimizerSettings(clip=0.0, warmup=0.1)))
FOUND = (
    *(Tried("cnn-mse", number, score, 60.0) for number, score in ((1, 30.0), (2, 31.25))),
    *(Tried("cnn-simclr", number, None, 0.0) for number in (1, 2)),
)
TOP1 = {"mse": 40.0, "mse+tuned": 43.0, "simclr": 20.0}


def stored(folder: Path, of: Study) -> Run:
    rows = [
        cell.key | {"evaluation": "linear", "fold": "ensemble", "metric": "top1", "value": TOP1[cell.model.labelled]}
        for cell in store_run(folder, of)
    ]
    conditions = {"study": of.name, "data": "stl10", "device": "cpu", "precision": "fp32", "scale": of.scale}
    write_table(pd.DataFrame(rows).assign(**conditions), folder / "results.csv", store.write_bytes)
    return Run.open(folder)


def plain() -> Study:
    models = (Model("cnn", "mse"), Model("cnn", "simclr"))
    return replace(study(models=models, evaluations=("linear",), folds=1), scale="reduced", tuning=TUNING)


def test_both_settings_stand_side_by_side_with_the_search_and_its_cost(tmp_path: Path) -> None:
    run = stored(tmp_path, tuned(plain(), TUNING, FOUND))
    both, tries = tuning_tables(run)
    assert both.header == ("model", "linear %", "best settings")
    assert both.rows == [
        ["CNN-MSE", "40.0 / 43.0", "warmup 0.1, clip 0"],
        ["CNN-SIMCLR", "20.0 / -", "every try failed"],
    ]
    assert [row[-3:] for row in tries.rows] == [
        ["30.00", "60 s", ""], ["31.25", "60 s", "best"], ["failed", "0 s", ""], ["failed", "0 s", ""],
    ]  # fmt: skip
    assert (
        "20 % of the labelled images, held out; no test image took part. Pre-training of all tries: 2 min"
        in (tries.notes[0])
    )
    assert both.title in report(tmp_path).text


def test_a_study_without_a_search_has_neither(tmp_path: Path) -> None:
    assert tuning_tables(stored(tmp_path, replace(plain(), tuning=None))) == []
