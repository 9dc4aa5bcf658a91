"""Predictions read back from a run's folds, and the helper that stores runs with chosen predictions."""

from pathlib import Path

import numpy as np
import pytest

from pse_repro.errors import NotFitError
from pse_repro.study import store
from pse_repro.study.cells import expand
from pse_repro.study.load import study_protocols
from pse_repro.study.predictions import Predictions
from tests.support.finished_run import forget
from tests.support.stored_predictions import LABELS, drawn, fold_path, probabilities, store_predictions, study


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
    forget(fold_path(tmp_path))
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
        forget(path)
    assert not found.complete("as-released", "cnn-mse", "cluster", 0)


@pytest.mark.parametrize("value", [float("nan"), "small", [0.1]])
def test_a_metric_that_is_no_number_is_refused(tmp_path: Path, value: object) -> None:
    record = store_predictions(tmp_path, study(), drawn, mse=lambda _: value)  # type: ignore[arg-type, return-value]
    with pytest.raises(NotFitError, match=r"validation_mse(\.| is |:).*(finite|valid) number"):
        Predictions(record).metric("as-released", "cnn-mse", "pretrain", "validation_mse", 0)


def other_label(labels: np.ndarray) -> np.ndarray:
    return np.concatenate([labels[1:], labels[:1]])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"probabilities": probabilities(LABELS / 20), "labels": other_label(LABELS)}, "labels differ from those of"),
        ({"probabilities": probabilities(LABELS / 20)[:9], "labels": LABELS[:9]}, "labels differ from those of"),
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
