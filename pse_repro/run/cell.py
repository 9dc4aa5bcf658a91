"""One cell, from images to rows of the results table: pre-train, then evaluate; everything done before is taken up."""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pse_repro.data.stl10 import Dataset
from pse_repro.evaluation.base import FoldEvaluation, FoldResult, Setup
from pse_repro.evaluation.registry import EVALUATIONS
from pse_repro.evaluation.scores import ensemble, scores
from pse_repro.machine.device import Machine
from pse_repro.machine.provenance import provenance
from pse_repro.progress.stages import Progress
from pse_repro.run.cluster import ClusterRun
from pse_repro.run.pretrain import PretrainRun
from pse_repro.study import store
from pse_repro.study.address import cell_folder, evaluation_folder
from pse_repro.study.cells import Cell


class CellRun:
    """The work of one cell in its folder."""

    def __init__(self, cell: Cell, data: Dataset, machine: Machine, run_directory: Path, progress: Progress) -> None:
        self.cell, self.data, self.machine, self.progress = cell, data, machine, progress
        self.directory = run_directory
        self.folder = cell_folder(run_directory, cell)
        self.pretraining = PretrainRun(cell, data, machine, run_directory, progress)
        self.clustering = ClusterRun(self.pretraining, run_directory)

    def run(self, evaluations: tuple[str, ...] | None = None) -> pd.DataFrame:
        """The cell's rows (key columns and value); CellError when the cell cannot go on.

        `evaluations` limits what is judged now (None: all); others are taken up where they are complete.
        """
        rows = self.pretraining.rows()
        for evaluation in self.cell.evaluations:
            if evaluations is None or evaluation in evaluations or self._complete(evaluation):
                rows += self.evaluate(evaluation) if EVALUATIONS[evaluation].has_folds else self.clustering.rows()
        self._record()
        (self.folder / "failed.json").unlink(missing_ok=True)
        return pd.DataFrame([self.cell.key | row for row in rows])

    def evaluate(self, evaluation: str) -> list[dict[str, Any]]:
        """One evaluation over the folds; rows of top1, top2, top4, loss and best_epoch a fold, and of the ensemble."""
        cell = self.cell
        name, encoder = f"{cell.lineage}/{evaluation}", cell.model.encoder
        judged = EVALUATIONS[evaluation].build(Setup(name, encoder, cell.protocol, self.data, self.machine))
        labels = self.data.test.targets
        by_batches = cell.protocol.switches.test_score == "batch-means"
        order = judged.test_order if by_batches else None
        self._folds(judged, evaluation)
        probabilities, rows = [], []
        for number in range(1, self.cell.folds + 1):
            fold = store.read_npz(self._fold_path(evaluation, number))
            probabilities.append(fold["probabilities"])
            values = scores(fold["probabilities"], labels, order, judged.size) | {
                "best_epoch": float(fold["best_epoch"])
            }
            rows += [{"fold": str(number), "metric": metric, "value": value} for metric, value in values.items()]
        together = scores(ensemble(probabilities), labels)
        rows += [{"fold": "ensemble", "metric": metric, "value": value} for metric, value in together.items()]
        return [{"evaluation": evaluation} | row for row in rows]

    def _complete(self, evaluation: str) -> bool:
        return not self._missing(evaluation) if EVALUATIONS[evaluation].has_folds else self.clustering.complete

    def _missing(self, evaluation: str) -> list[int]:
        numbers = range(1, self.cell.folds + 1)
        return [number for number in numbers if not self._fold_path(evaluation, number).exists()]

    def _fold_path(self, evaluation: str, number: int) -> Path:
        return evaluation_folder(self.directory, self.cell, evaluation) / f"fold-{number}.npz"

    def _folds(self, judged: FoldEvaluation, evaluation: str) -> None:
        """Train and test the folds that are missing; each is kept as soon as it is done."""
        missing = self._missing(evaluation)
        if not missing:
            return
        if judged.note:
            self.progress.say(f"{self.cell.name}: {evaluation}: {judged.note}")
        total = len(missing) * judged.max_epochs * judged.images_per_epoch
        which = f"fold {missing[0]}" if len(missing) == 1 else f"{len(missing)} folds"
        with self.progress.stage(f"{self.cell.name} {evaluation}, {which}", total) as stage:

            def after_epoch(number: int, epoch: int, loss: float) -> None:
                stage.advance(judged.images_per_epoch)
                stage.note(f"fold {number}, epoch {epoch + 1}" + (f", loss {loss:.4f}" if math.isfinite(loss) else ""))
                self.pretraining.energy.joules()  # its counters must be read now and then
                stage.measure(epoch, {judged.loss: loss} if judged.loss else {}, judged.loss, number)

            for number, result in judged.run(missing, self.pretraining.encoder, after_epoch):
                store.write_npz(self._fold_path(evaluation, number), **_arrays(result, self.data, result.seconds))

    def _record(self) -> None:
        """Provenance: where the cell's work lies, and the seconds that went into each part, also over several goes."""
        seconds = {"pretrain": store.read_json(self.pretraining.folder / "pretrain.json")["seconds"]}
        folders = {name: evaluation_folder(self.directory, self.cell, name) for name in self.cell.evaluations}
        for evaluation, folder in folders.items():
            for path in sorted(folder.glob("fold-*.npz")):
                seconds[f"{evaluation}/{path.stem}"] = float(store.read_npz(path)["seconds"])
        if clustering := self.clustering.seconds():
            seconds["cluster"] = clustering
        record = provenance(self.data.description, self.machine) | {
            "cell": self.cell.name,
            "seed": self.cell.seed,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "seconds": seconds,
            "folders": {
                name: str(folder.relative_to(self.directory))
                for name, folder in ({"pretrain": self.pretraining.folder} | folders).items()
            },
            "energy_joules": self._energy(),
            "peak_memory_bytes": self.machine.peak_memory_bytes(),
        }
        store.write_json(self.folder / "provenance.json", record)

    def _energy(self) -> float | None:
        """What the machine has used while this cell was worked on, over several goes; None where it is not told."""
        path, now = self.folder / "provenance.json", self.pretraining.energy.joules()
        before = store.read_json(path).get("energy_joules", 0.0) if path.exists() else 0.0
        return None if now is None or before is None else before + now


def _arrays(result: FoldResult, data: Dataset, seconds: float) -> dict[str, np.ndarray]:
    return {
        "probabilities": result.probabilities_NK,
        "labels": data.test.stored_labels,
        "train_losses": np.array(result.fitted.train_losses),
        "validation_losses": np.array(result.fitted.validation_losses),
        "best_epoch": np.array(result.fitted.best_epoch),
        "seconds": np.array(seconds),
    }
