"""The evaluation cluster of a cell: measured once, with the curve over its epochs, then reused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pse_repro.evaluation.clustering import Clustering, cluster_embedding
from pse_repro.run.cell import CellRun
from pse_repro.study.address import CellFiles
from pse_repro.study.cells import Cell
from tests.support.tiny import cell, context, dataset

pytestmark = pytest.mark.usefixtures("tiny_models")
CELL = replace(cell(epochs=2), evaluations=("cluster",))


def run(folder: Path, of: Cell = CELL, name: str = "embedded-sample") -> pd.DataFrame:
    return CellRun(of, context(folder, replace(dataset(), name=name))).run()


def test_rows_have_no_folds_and_are_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = run(tmp_path)
    found = rows[rows["evaluation"] == "cluster"]
    assert set(found["metric"]) == {"accuracy", "nmi", "ari", "two_domains_accuracy"}  # two epochs are no curve
    assert set(found["fold"]) == {""}
    monkeypatch.setattr("pse_repro.run.cluster.embed", None)  # from here on nothing is clustered
    pd.testing.assert_frame_equal(run(tmp_path), rows)


def test_the_curve_holds_every_epoch_s_error_and_accuracy(tmp_path: Path) -> None:
    of = replace(CELL, epochs=10)
    rows = run(tmp_path, of)
    curve = pd.read_csv(CellFiles(tmp_path, of).cluster_curve)
    assert curve["epoch"].tolist() == list(range(10))
    logged = pd.read_csv(CellFiles(tmp_path, of).curves)["validation_mse"]
    assert curve["error"].tolist() == logged.tolist()
    assert curve["accuracy"].between(0.5, 1).all()  # of two clusters
    (rho,) = rows[rows["metric"] == "error_rank_correlation"]["value"]
    assert rho == pytest.approx(curve["error"].corr(curve["accuracy"], method="spearman"))
    record = json.loads(CellFiles(tmp_path, of).measures("cluster").read_text())
    assert record["points"] == 40
    assert record["seconds"] > 0


def test_data_of_other_classes_have_no_domains_and_a_curve_of_ten_clusters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def clusters(embedding_N2: np.ndarray, labels_N: np.ndarray, seed: int, count: int) -> Clustering:
        asked.append((count, len(np.unique(labels_N))))
        return cluster_embedding(embedding_N2, labels_N, seed, count)

    monkeypatch.setattr("pse_repro.run.cluster.cluster_embedding", clusters)
    rows = run(tmp_path, name="photos-12345678")
    assert set(rows[rows["evaluation"] == "cluster"]["metric"]) == {"accuracy", "nmi", "ari"}
    assert asked == [(10, 10)] * 3  # the final encoder's, and the curve's two epochs, against ten labels
    curve = pd.read_csv(CellFiles(tmp_path, CELL).cluster_curve)
    assert curve["accuracy"].between(0.1, 1).all()


def test_an_objective_that_gives_no_images_back_has_no_curve(tmp_path: Path) -> None:
    of = replace(cell("rotation", epochs=1), evaluations=("cluster",))
    rows = run(tmp_path, of)
    assert "accuracy" in set(rows[rows["evaluation"] == "cluster"]["metric"])
    assert not CellFiles(tmp_path, of).cluster_curve.exists()
    assert not (CellFiles(tmp_path, of).model / "epochs").exists()
