"""A run with stored predictions of a chosen accuracy."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from pse_repro.config.study import Model, Study
from pse_repro.study import store
from pse_repro.study.address import CellFiles, RunFiles
from pse_repro.study.cells import Cell, expand
from pse_repro.study.load import load_study, study_protocols
from pse_repro.study.record import Run
from tests.support.stored_run import record, trained

LABELS = np.arange(2000) % 10 + 1  # as STL-10's files have them
MODELS = (Model("cnn", "mse"), Model("cnn", "pse", 3.0))
Likely = Callable[[Cell, str, int], np.ndarray]


def study(models: tuple[Model, ...] = MODELS, **changes: object) -> Study:
    """Return a full study of the given models with two folds under as-released."""
    base = replace(load_study("smoke"), scale="full", expected="paper", models=models, folds=2, baselines=())
    return replace(base, subset=type(base.subset)(), overrides={}, **changes)  # type: ignore[arg-type]


def store_predictions(
    directory: Path,
    study: Study,
    likely: Likely,
    seeds: int = 1,
    mse: Callable[[Cell], float] = lambda _: 0.01,
    data: str = "stl10",
    metrics: Callable[[Cell, str], dict[str, float]] = lambda _, __: {},
) -> Run:
    """Store a run with predictions and return it.

    `likely(cell, evaluation, fold)` returns the probabilities (N,) of the true labels, correct above 0.5; the rest
    goes to the class after the label. `metrics(cell, part)` are those of "cluster" and additional ones of "pretrain".
    """
    store.write_json(RunFiles(directory).record, record(study, {"name": data}))
    for cell in expand(study, study_protocols(study), seeds):
        pretrained = {"validation_mse": mse(cell)} | metrics(cell, "pretrain")
        store.write_json(CellFiles(directory, cell).pretraining, trained(1.0, pretrained))
        for evaluation in cell.evaluations:
            if evaluation == "cluster":
                path = CellFiles(directory, cell).measures(evaluation)
                store.write_json(path, {"metrics": metrics(cell, evaluation)})
                continue
            for fold in range(1, cell.folds + 1):
                path = CellFiles(directory, cell).fold(evaluation, fold)
                store.write_npz(path, probabilities=probabilities(likely(cell, evaluation, fold)), labels=LABELS)
    return Run.open(directory)


def probabilities(likely_N: np.ndarray) -> np.ndarray:
    """Return probabilities (N, 10) in float32, as stored by a run."""
    images, found = np.arange(len(LABELS)), np.zeros((len(LABELS), 10), np.float32)
    found[images, LABELS - 1] = likely_N
    found[images, LABELS % 10] = 1 - likely_N
    return found


def drawn(cell: Cell, evaluation: str, fold: int) -> np.ndarray:
    return np.random.default_rng([len(cell.model.name), len(evaluation), fold, cell.seed]).random(len(LABELS))


def fold_path(directory: Path, fold: int = 2, evaluation: str = "frozen", seed: int = 0) -> Path:
    """Return the path of a fold of CNN-MSE."""
    cell = expand(study(), study_protocols(study()), seed + 1)[seed * len(MODELS)]
    return CellFiles(directory, cell).fold(evaluation, fold)
