"""Stored predictions of a run: correctness per test image, and the metrics of evaluations without classifiers.

Every cell is evaluated on the same test images in the same order (that of test_X), so that two cells can be subtracted
image by image. Files with different labels would make such a difference meaningless and are refused.
Shapes: N test images, K folds, 10 classes.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pse_repro.data.stl10 import CLASSES
from pse_repro.errors import NotFitError
from pse_repro.evaluation.registry import PRETRAIN, has_folds
from pse_repro.evaluation.scores import ensemble, hits
from pse_repro.study import store
from pse_repro.study.cells import Cell
from pse_repro.study.record import Run
from pse_repro.study.records import Measured, Trained


@dataclass(frozen=True)
class Correct:
    """Top-1 correctness of each fold's classifier and of their ensemble."""

    members_KN: np.ndarray  # boolean
    ensemble_N: np.ndarray  # boolean


class Predictions:
    """The stored predictions of a run, by protocol, model and seed; each file is read once.

    Two protocols that share an evaluation (address.py) also share its predictions here.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.seeds = run, run.stored_seeds
        cells = run.expanded(len(self.seeds))
        self._cells = {(cell.protocol.name, cell.model.name, cell.seed): cell for cell in cells}
        self._models = {model for _, model, _ in self._cells}
        self._evaluations = {*run.study.evaluations, PRETRAIN}
        self._correct: dict[Path, Correct] = {}
        self._labels: tuple[Path, np.ndarray] | None = None  # path and labels of the first file read

    def covers(self, model: str, evaluation: str) -> bool:
        """Return True if the run's study has the model, named as in `cnn-pse-3`, and the evaluation."""
        return model in self._models and evaluation in self._evaluations

    def complete(self, protocol: str, model: str, evaluation: str, seed: int) -> bool:
        """Return True if the evaluation's folds or, without folds, its metrics are stored; False for a foreign cell."""
        cell = self._cells.get((protocol, model, seed))
        return cell is not None and all(path.is_file() for path in self._paths(cell, evaluation))

    def correct(self, protocol: str, model: str, evaluation: str, seed: int) -> Correct:
        """Return top-1 correctness in the order of test_X; the ensemble averages the folds' probabilities.

        Raises:
            NotFitError: a file is damaged, or its labels differ from those of the run's other files.
        """
        paths = self._paths(self._cells[protocol, model, seed], evaluation)
        folder = paths[0].parent
        if folder not in self._correct:
            folds = [self._probabilities(path) for path in paths]
            assert self._labels is not None
            labels = self._labels[1].astype(np.int64) - 1
            members = [hits(fold_NK, labels, 1) > 0 for fold_NK in folds]
            self._correct[folder] = Correct(np.array(members), hits(ensemble(folds), labels, 1) > 0)
        return self._correct[folder]

    def metric(self, protocol: str, model: str, evaluation: str, name: str, seed: int) -> float | None:
        """Return a metric of an evaluation without folds or of "pretrain" (validation_mse: pixels in [0, 1]), or None.

        Raises:
            NotFitError: the file is damaged, or the metric is not a finite number.
        """
        (path,) = self._paths(self._cells[protocol, model, seed], evaluation)
        kind: type[Trained] | type[Measured] = Trained if evaluation == PRETRAIN else Measured
        value = store.read_record(path, kind).metrics.get(name)
        if value is not None and not math.isfinite(value):
            raise NotFitError(f"{path}: {name} is {value!r}; expected a finite number")
        return value

    def _paths(self, cell: Cell, evaluation: str) -> list[Path]:
        files = self.run.files(cell)
        if evaluation == PRETRAIN:
            return [files.pretraining]
        return files.folds(evaluation) if has_folds(evaluation) else [files.measures(evaluation)]

    def _probabilities(self, path: Path) -> np.ndarray:
        """Read the probabilities (N, 10) of one fold and compare its labels with those of the other files."""
        remedy = "delete it and resume the run to recreate it"
        arrays = store.read_npz(path)
        if not {"probabilities", "labels"} <= arrays.keys():
            raise NotFitError(f"{path} has no probabilities or no labels; {remedy}")
        probabilities, labels = arrays["probabilities"], arrays["labels"]
        if probabilities.shape != (len(labels), CLASSES) or not np.isfinite(probabilities).all():
            raise NotFitError(
                f"{path}: probabilities have shape {probabilities.shape}, or are not all finite;"
                f" expected finite numbers of shape ({len(labels)}, {CLASSES}); {remedy}"
            )
        first, expected = self._labels = self._labels or (path, labels)
        if not np.array_equal(labels, expected):
            raise NotFitError(f"{path}: its labels differ from those of {first}, so its images differ, too; {remedy}")
        return probabilities
