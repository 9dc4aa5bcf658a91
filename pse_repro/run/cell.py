"""One cell, from images to rows of the results table: pre-train, then evaluate. Completed work is reused."""

import time
from typing import Any

import numpy as np
import pandas as pd

from pse_repro.data.stl10 import Dataset
from pse_repro.evaluation.base import FoldEvaluation, FoldResult, Setup
from pse_repro.evaluation.registry import EVALUATIONS
from pse_repro.evaluation.scores import ensemble, scores
from pse_repro.machine.provenance import provenance
from pse_repro.progress.facts import Epoch
from pse_repro.run.cluster import ClusterRun
from pse_repro.run.context import RunContext
from pse_repro.run.pretrain import PretrainRun
from pse_repro.study import store
from pse_repro.study.cells import Cell


class CellRun:
    """The work of one cell in its folder."""

    def __init__(self, cell: Cell, context: RunContext) -> None:
        self.cell, self.context, self.files = cell, context, context.files(cell)
        self.pretraining = PretrainRun(cell, context)
        self.clustering = ClusterRun(self.pretraining)

    def run(self) -> pd.DataFrame:
        """Return the cell's rows (key columns and value).

        Evaluations that the context leaves out are included if they are complete.

        Raises:
            CellError: the cell cannot be finished.
        """
        self.context.machine.reset_peak_memory()
        rows, evaluations = self.pretraining.rows(), self.context.evaluations
        for evaluation in self.cell.evaluations:
            if evaluations is None or evaluation in evaluations or self._complete(evaluation):
                rows += self.evaluate(evaluation) if EVALUATIONS[evaluation].has_folds else self.clustering.rows()
        self._record()
        self.files.failed.unlink(missing_ok=True)
        return pd.DataFrame([self.cell.key | row for row in rows])

    def evaluate(self, evaluation: str) -> list[dict[str, Any]]:
        """Evaluate on all folds; return rows of top1, top2, top4, loss and best_epoch per fold, and of the ensemble."""
        cell, data = self.cell, self.context.data
        name, encoder = f"{cell.pretraining_id}/{evaluation}", cell.model.encoder
        built = EVALUATIONS[evaluation].build(Setup(name, encoder, cell.protocol, data, self.context.machine))
        labels = data.test.targets
        by_batches = cell.protocol.switches.test_score == "batch-means"
        order = built.test_order if by_batches else None
        self._run_missing_folds(built, evaluation)
        probabilities, rows = [], []
        for number, path in enumerate(self.files.folds(evaluation), 1):
            fold = store.read_npz(path)
            probabilities.append(fold["probabilities"])
            values = scores(fold["probabilities"], labels, order, built.size) | {
                "best_epoch": float(fold["best_epoch"])
            }
            rows += [{"fold": str(number), "metric": metric, "value": value} for metric, value in values.items()]
        of_ensemble = scores(ensemble(probabilities), labels)
        rows += [{"fold": "ensemble", "metric": metric, "value": value} for metric, value in of_ensemble.items()]
        return [{"evaluation": evaluation} | row for row in rows]

    def _complete(self, evaluation: str) -> bool:
        return not self._missing(evaluation) if EVALUATIONS[evaluation].has_folds else self.clustering.complete

    def _missing(self, evaluation: str) -> list[int]:
        return [number for number, path in enumerate(self.files.folds(evaluation), 1) if not path.exists()]

    def _run_missing_folds(self, built: FoldEvaluation, evaluation: str) -> None:
        """Train and test the missing folds; each is stored as soon as it is complete."""
        missing = self._missing(evaluation)
        if not missing:
            return
        if built.note:
            self.context.progress.say(f"{self.cell.name}: {evaluation}: {built.note}")
        total = len(missing) * built.max_epochs * built.images_per_epoch
        with self.context.progress.stage(evaluation, total, cell=self.cell.name, folds=missing) as stage:

            def after_epoch(number: int, epoch: int, loss: float) -> None:
                stage.advance(built.images_per_epoch)
                self.pretraining.energy.joules()  # its counters wrap within minutes and must be read in between
                losses = {built.loss: loss} if built.loss else {}
                stage.measure(Epoch(epoch, losses.get("train_loss"), losses.get("validation_loss"), number))

            for number, result in built.run(missing, self.pretraining.encoder, after_epoch):
                store.write_npz(self.files.fold(evaluation, number), **_arrays(result, self.context.data))
                stage.end_fold(number)

    def _record(self) -> None:
        """Write the cell's provenance, with the folders of its work and the seconds of each part over all sessions."""
        seconds = {"pretrain": store.read_json(self.files.pretraining)["seconds"]}
        folders = {"pretrain": self.files.model}
        for evaluation in self.cell.evaluations:
            folders[evaluation] = self.files.evaluation(evaluation)
            for path in self.files.stored_folds(evaluation):
                seconds[f"{evaluation}/{path.stem}"] = float(store.read_npz(path)["seconds"])
        if clustering := self.clustering.seconds():
            seconds["cluster"] = clustering
        before, machine = store.read_json(self.files.provenance, default={}), self.context.machine
        record = provenance(self.context.data.description, machine) | {
            "cell": self.cell.name,
            "seed": self.cell.seed,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "seconds": seconds,
            "folders": {name: str(folder.relative_to(self.context.directory)) for name, folder in folders.items()},
            "energy_joules": self._energy(before),
            # Not part of the run's identity: other settings are refused on resuming because they give other models, and
            # this one does not. A cell is deterministic if all its sessions were.
            "deterministic": machine.deterministic and before.get("deterministic", not before),
            "peak_memory_bytes": max(before.get("peak_memory_bytes") or 0, machine.peak_memory_bytes()),
        }
        store.write_json(self.files.provenance, record)

    def _energy(self, record: dict[str, Any]) -> float | None:
        """Return the machine's energy in joules during work on this cell, over all sessions; None if not measurable.

        `record` is the provenance of earlier sessions.
        """
        now, before = self.pretraining.energy.joules(), record.get("energy_joules", 0.0)
        return None if now is None or before is None else before + now


def _arrays(result: FoldResult, data: Dataset) -> dict[str, np.ndarray]:
    return {
        "probabilities": result.probabilities_NK,
        "labels": data.test.stored_labels,
        "train_losses": np.array(result.fitted.train_losses),
        "validation_losses": np.array(result.fitted.validation_losses),
        "best_epoch": np.array(result.fitted.best_epoch),
        "seconds": np.array(result.seconds),
    }
