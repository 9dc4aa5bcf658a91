"""Rows of the results table, computed from a run's stored files alone: those of a cell, a baseline, and a whole run."""

from typing import Any

import numpy as np
import pandas as pd

from pse_repro.config.protocol import Protocol
from pse_repro.data.folds import as_text
from pse_repro.evaluation.registry import PRETRAIN, has_folds
from pse_repro.evaluation.scores import ensemble, scores
from pse_repro.study import store
from pse_repro.study.address import CellFiles, RunFiles
from pse_repro.study.cells import Cell
from pse_repro.study.record import Run
from pse_repro.study.records import Measured, Trained
from pse_repro.tables import KEY

Row = dict[str, Any]


def cell_rows(cell: Cell, files: CellFiles) -> list[Row]:
    """Return a cell's rows (key columns and value): its pre-training's, and those of each complete evaluation."""
    rows = _metric_rows(PRETRAIN, store.read_record(files.pretraining, Trained).metrics)
    for evaluation in cell.evaluations:
        if is_complete(files, evaluation):
            rows += _evaluation_rows(cell, files, evaluation)
    return [cell.key | row for row in rows]


def is_complete(files: CellFiles, evaluation: str) -> bool:
    """Return True if all folds of an evaluation are stored or, without folds, its metrics."""
    if not has_folds(evaluation):
        return files.measures(evaluation).is_file()
    return all(path.is_file() for path in files.folds(evaluation))


def baseline_rows(name: str, protocol: Protocol, folds: int, files: RunFiles) -> list[Row]:
    """Return the rows of a complete baseline on pixels, as evaluation "linear"."""
    stored = [store.read_npz(path) for path in files.baseline_folds(name, protocol, folds)]
    labels = stored[0]["labels"].astype(np.int64) - 1
    key = {"protocol": protocol.name, "encoder": name, "objective": "none", "sigma": "", "seed": 0}
    by_fold = {str(number): scores(fold["probabilities"], labels) for number, fold in enumerate(stored, 1)}
    by_fold["ensemble"] = scores(ensemble([fold["probabilities"] for fold in stored]), labels)
    return [key | {"evaluation": "linear"} | row for row in _fold_rows(by_fold)]


def computed_results(run: Run) -> pd.DataFrame:
    """Return the long table of a run's complete cells and baselines, without its conditions."""
    rows: list[Row] = []
    for cell in run.cells:
        files = run.files(cell)
        if files.provenance.is_file() and files.pretraining.is_file():
            rows += cell_rows(cell, files)
    for name in run.study.baselines:
        for protocol in run.protocols if name != "random" else ():  # an untrained encoder is a cell
            paths = run.run_files.baseline_folds(name, protocol, run.study.folds)
            if all(path.is_file() for path in paths):
                rows += baseline_rows(name, protocol, run.study.folds, run.run_files)
    return pd.DataFrame(rows, columns=[*KEY, "value"])


def _evaluation_rows(cell: Cell, files: CellFiles, evaluation: str) -> list[Row]:
    """Return rows of top1, top2, top4, loss and best_epoch per fold, and of the ensemble; or of the metrics."""
    if not has_folds(evaluation):
        return _metric_rows(evaluation, store.read_record(files.measures(evaluation), Measured).metrics)
    stored = [store.read_npz(path) for path in files.folds(evaluation)]
    labels = stored[0]["labels"].astype(np.int64) - 1
    by_batches = cell.protocol.switches.test_score == "batch-means"
    order, size = as_text(stored[0]["labels"]) if by_batches else None, cell.protocol.settings.batch_size
    by_fold = {
        str(number): scores(fold["probabilities"], labels, order, size) | {"best_epoch": float(fold["best_epoch"])}
        for number, fold in enumerate(stored, 1)
    }
    by_fold["ensemble"] = scores(ensemble([fold["probabilities"] for fold in stored]), labels)
    return [{"evaluation": evaluation} | row for row in _fold_rows(by_fold)]


def _fold_rows(by_fold: dict[str, dict[str, float]]) -> list[Row]:
    return [
        {"fold": fold, "metric": metric, "value": value}
        for fold, values in by_fold.items()
        for metric, value in values.items()
    ]


def _metric_rows(evaluation: str, metrics: dict[str, float]) -> list[Row]:
    return [
        {"evaluation": evaluation, "fold": "", "metric": metric, "value": value} for metric, value in metrics.items()
    ]
