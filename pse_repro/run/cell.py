"""One cell, from images to rows of the results table: pre-train, then evaluate. Completed work is reused."""

import time
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from pse_repro.data.stl10 import Dataset
from pse_repro.evaluation.base import FoldEvaluation, FoldResult, Setup
from pse_repro.evaluation.registry import epochs_of, kind_of, row_of
from pse_repro.machine.energy import GpuEnergyMeter
from pse_repro.machine.provenance import provenance
from pse_repro.progress.facts import Epoch
from pse_repro.run.cluster import ClusterRun
from pse_repro.run.context import RunContext
from pse_repro.run.pretrain import PretrainRun
from pse_repro.run.zero_shot import ZeroShotRun
from pse_repro.study import store
from pse_repro.study.cells import Cell
from pse_repro.study.records import Measured, Provenance, Trained
from pse_repro.study.rows import cell_rows

_WITHOUT_FOLDS: dict[str, type[ClusterRun] | type[ZeroShotRun]] = {"cluster": ClusterRun, "zero-shot": ZeroShotRun}


class CellRun:
    """The work of one cell in its folder."""

    def __init__(self, cell: Cell, context: RunContext) -> None:
        self.cell, self.context, self.files = cell, context, context.files(cell)
        self.pretraining = PretrainRun(cell, context)
        self.gpu_energy = GpuEnergyMeter(context.machine.gpu_uuid())

    def run(self) -> pd.DataFrame:
        """Return the cell's rows (key columns and value).

        Evaluations that the context leaves out are included if they are complete.

        Raises:
            CellError: the cell cannot be finished.
        """
        self.context.machine.reset_peak_memory()
        self.pretraining.complete()
        for evaluation in self.cell.evaluations:
            if self.context.evaluations is None or evaluation in self.context.evaluations:
                self.evaluate(evaluation)
        self._record()
        store.remove(self.files.failed)
        return pd.DataFrame(cell_rows(self.cell, self.files))

    def evaluate(self, evaluation: str) -> None:
        """Train and test what an evaluation has not stored yet."""
        if not row_of(evaluation).has_folds:
            _WITHOUT_FOLDS[evaluation](self.pretraining).complete()
            return
        cell, data = self.cell, self.context.data
        # The same draws after fewer epochs, so that only the weights differ.
        name, encoder = f"{cell.pretraining_id}/{kind_of(evaluation)}", cell.model.encoder
        built = row_of(evaluation).build(Setup(name, encoder, cell.protocol, data, self.context.machine))
        self._run_missing_folds(built, evaluation)

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

            new_encoder = partial(self.pretraining.encoder, epochs_of(evaluation))
            for number, result in built.run(missing, new_encoder, after_epoch):
                store.write_npz(self.files.fold(evaluation, number), **_arrays(result, self.context.data))
                stage.end_fold(number)

    def _record(self) -> None:
        """Write the cell's provenance, with the folders of its work and the seconds of each part over all sessions.

        It is left as it is if nothing was done: when the cell was finished, and the digest of the run, then stay.
        """
        seconds = {"pretrain": store.read_record(self.files.pretraining, Trained).seconds}
        folders = {"pretrain": self.files.model}
        for evaluation in self.cell.evaluations:
            folders[evaluation] = self.files.evaluation(evaluation)
            for path in self.files.stored_folds(evaluation):
                seconds[f"{evaluation}/{path.stem}"] = float(store.read_npz(path)["seconds"])
            if measured := store.find_record(self.files.measures(evaluation), Measured):
                seconds[evaluation] = measured.seconds
        before, machine = store.find_record(self.files.provenance, Provenance), self.context.machine
        if before and before.seconds == seconds and not self.files.failed.exists():
            return
        record = provenance(self._images(), machine) | {
            "cell": self.cell.name,
            "seed": self.cell.seed,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "seconds": seconds,
            "folders": {name: str(folder.relative_to(self.context.directory)) for name, folder in folders.items()},
            "energy_joules": _added(self.pretraining.energy.joules(), before.energy_joules if before else 0.0),
            "gpu_energy_joules": _added(self.gpu_energy.joules(), before.gpu_energy_joules if before else 0.0),
            # Not part of the run's identity: other settings are refused on resuming because they give other models, and
            # this one does not. A cell is deterministic if all its sessions were.
            "deterministic": machine.deterministic and (before is None or before.deterministic),
            # Nor is this one, as the numbers are the same up to rounding: were folds trained jointly in any session?
            "joint_folds": machine.joint_folds or (before is not None and before.joint_folds),
            "peak_memory_bytes": max(before.peak_memory_bytes if before else 0, machine.peak_memory_bytes()),
        }
        store.write_json(self.files.provenance, record)

    def _images(self) -> dict[str, Any]:
        """Return the images as recorded: also which unlabelled ones were used, and how many are copies of others."""
        data, found = self.context.data, self.context.data.description
        if self.cell.unlabeled == "without-test":
            found["images"]["unlabeled"] -= int(data.copies_N.sum())
        return found | {"unlabeled": self.cell.unlabeled, "duplicates": data.duplicates}


def _added(now: float | None, before: float | None) -> float | None:
    """Return the energy over all sessions; None if it could not be measured in one of them."""
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
