"""What is read back from a run's folds; also the helper that stores runs whose predictions are made up."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from pse_repro.config.study import Model, Study
from pse_repro.errors import NotFitError
from pse_repro.study import store
from pse_repro.study.address import CellFiles
from pse_repro.study.cells import Cell, expand
from pse_repro.study.load import load_study, study_protocols
from pse_repro.study.predictions import Predictions
from pse_repro.study.record import Run

LABELS = np.arange(2000) % 10 + 1  # as STL-10's files have them
MODELS = (Model("cnn", "mse"), Model("cnn", "pse", 3.0))
Likely = Callable[[Cell, str, int], np.ndarray]


def study(models: tuple[Model, ...] = MODELS, **changes: object) -> Study:
    """A full study of two folds under as-released, of the models given."""
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
    """Store a run; `likely(cell, evaluation, fold)` are the probabilities (N,) of the labels, right above a half.

    What they leave goes to the class after the label. `metrics` are those of "cluster", and others of "pretrain".
    """
    protocols = study_protocols(study)
    settings = {"study": asdict(study), "protocols": [asdict(each) for each in protocols], "data": {"name": data}}
    store.write_json(directory / "run.json", json.loads(json.dumps(settings | {"device": "cpu", "precision": "fp32"})))
    for cell in expand(study, protocols, seeds):
        pretrained = {"validation_mse": mse(cell)} | metrics(cell, "pretrain")
        store.write_json(CellFiles(directory, cell).pretraining, {"metrics": pretrained})
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
    """(N, 10) in float32, as a run stores them."""
    images, found = np.arange(len(LABELS)), np.zeros((len(LABELS), 10), np.float32)
    found[images, LABELS - 1] = likely_N
    found[images, LABELS % 10] = 1 - likely_N
    return found


def drawn(cell: Cell, evaluation: str, fold: int) -> np.ndarray:
    return np.random.default_rng([len(cell.model.name), len(evaluation), fold, cell.seed]).random(len(LABELS))


def fold_path(directory: Path, fold: int = 2, evaluation: str = "frozen", seed: int = 0) -> Path:
    """A fold of CNN-MSE."""
    cell = expand(study(), study_protocols(study()), seed + 1)[seed * len(MODELS)]
    return CellFiles(directory, cell).fold(evaluation, fold)


def test_correctness_in_the_order_of_the_test_set(tmp_path: Path) -> None:
    found = Predictions(store_predictions(tmp_path, study(), drawn, seeds=2))
    cell = expand(study(), study_protocols(study()), 2)[-1]
    likely = np.array([drawn(cell, "frozen", fold) for fold in (1, 2)])
    correct = found.correct("as-released", "cnn-pse-3", "frozen", 1)
    assert list(found.seeds) == [0, 1]
    assert correct.members_KN.dtype == correct.ensemble_N.dtype == bool
    assert (correct.members_KN == (likely > 0.5)).all()
    assert (correct.ensemble_N == (likely.mean(axis=0) > 0.5)).all()


def test_what_a_run_covers_and_what_is_complete(tmp_path: Path) -> None:
    found = Predictions(store_predictions(tmp_path, study(baselines=("random",)), drawn))
    assert found.covers("cnn-pse-3", "frozen")
    assert found.covers("cnn-mse", "pretrain")
    assert found.covers("cnn-random", "finetune")
    assert not found.covers("cnn-pse-4", "frozen")
    assert not found.covers("cnn-mse", "linear")
    assert found.complete("as-released", "cnn-mse", "frozen", 0)
    fold_path(tmp_path).unlink()
    assert not found.complete("as-released", "cnn-mse", "frozen", 0)
    assert found.complete("as-released", "cnn-mse", "finetune", 0)


def test_a_run_that_has_only_begun_has_no_seeds(tmp_path: Path) -> None:
    record = store_predictions(tmp_path, study(), drawn, seeds=0)
    assert list(Predictions(record).seeds) == []


def test_metrics_of_the_pretraining(tmp_path: Path) -> None:
    record = store_predictions(tmp_path, study(), drawn, seeds=2, mse=lambda cell: 0.1 + cell.seed)
    found = Predictions(record)
    assert found.metric("as-released", "cnn-mse", "pretrain", "validation_mse", 1) == 1.1
    assert found.metric("as-released", "cnn-mse", "pretrain", "loss_of_something_else", 1) is None


def test_metrics_of_the_clusters(tmp_path: Path) -> None:
    clustered = study(evaluations=("linear", "cluster"))
    record = store_predictions(tmp_path, clustered, drawn, metrics=lambda cell, _: {"nmi": len(cell.model.name)})
    found = Predictions(record)
    assert found.covers("cnn-mse", "cluster")
    assert found.complete("as-released", "cnn-mse", "cluster", 0)
    assert found.metric("as-released", "cnn-pse-3", "cluster", "nmi", 0) == 9
    assert found.metric("as-released", "cnn-pse-3", "cluster", "ari", 0) is None
    assert found.correct("as-released", "cnn-mse", "linear", 0).members_KN.shape == (2, len(LABELS))
    for path in tmp_path.glob("models/*/cluster-*/measures.json"):
        path.unlink()
    assert not found.complete("as-released", "cnn-mse", "cluster", 0)


@pytest.mark.parametrize("value", [float("nan"), "small", [0.1]])
def test_a_metric_that_is_no_number_is_refused(tmp_path: Path, value: object) -> None:
    record = store_predictions(tmp_path, study(), drawn, mse=lambda _: value)  # type: ignore[arg-type, return-value]
    with pytest.raises(NotFitError, match=r"validation_mse is .*; expected a finite number"):
        Predictions(record).metric("as-released", "cnn-mse", "pretrain", "validation_mse", 0)


def other_label(labels: np.ndarray) -> np.ndarray:
    return np.concatenate([labels[1:], labels[:1]])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"probabilities": probabilities(LABELS / 20), "labels": other_label(LABELS)}, "labels are not those of"),
        ({"probabilities": probabilities(LABELS / 20)[:9], "labels": LABELS[:9]}, "labels are not those of"),
        ({"probabilities": probabilities(LABELS / 20)[:9], "labels": LABELS}, r"shape \(9, 10\)"),
        ({"probabilities": probabilities(np.full(2000, np.nan)), "labels": LABELS}, "not all finite"),
        ({"labels": LABELS}, "no probabilities"),
    ],
)
def test_a_fold_that_does_not_fit_is_refused_in_one_line(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    found = Predictions(store_predictions(tmp_path, study(), drawn))
    found.correct("as-released", "cnn-pse-3", "frozen", 0)
    store.write_npz(fold_path(tmp_path), **arrays)
    with pytest.raises(NotFitError, match=message) as caught:
        found.correct("as-released", "cnn-mse", "frozen", 0)
    assert "fold-2.npz" in str(caught.value)
    assert "\n" not in str(caught.value)
