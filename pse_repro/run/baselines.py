"""Baselines on raw pixels, fold by fold, as rows of the results table. Completed folds are reused."""

import numpy as np
import pandas as pd

from pse_repro.config.protocol import Protocol
from pse_repro.evaluation.baselines import Baseline
from pse_repro.run.context import RunContext
from pse_repro.study import store
from pse_repro.study.rows import baseline_rows


class BaselineRun:
    """One baseline under one protocol; only the protocol's folds (switch 11) and their number matter."""

    def __init__(self, name: str, protocol: Protocol, folds: int, context: RunContext) -> None:
        self.name, self.protocol, self.context = name, protocol, context
        self.paths = context.run_files.baseline_folds(name, protocol, folds)

    @property
    def complete(self) -> bool:
        return all(path.exists() for path in self.paths)

    def rows(self) -> pd.DataFrame:
        """Return the rows of evaluation "linear"; missing folds are fitted first.

        The file of a fold holds probabilities (N, 10) on the test set, labels and the selected C.
        """
        if not self.complete:
            self._fit()
        return pd.DataFrame(baseline_rows(self.name, self.protocol, len(self.paths), self.context.run_files))

    def _fit(self) -> None:
        data, count = self.context.data, len(self.paths)
        baseline = Baseline(self.name, data, self.protocol.settings.folds, self.protocol.switches.fold_order)
        for number, path in enumerate(self.paths, 1):
            if path.exists():
                continue
            with self.context.progress.stage(f"baseline {self.name} fold {number}/{count}", len(data.train)) as stage:
                result = baseline.fold(number)
                stage.advance(len(data.train))
            arrays = {"probabilities": result.probabilities_NK, "labels": data.test.stored_labels}
            store.write_npz(path, **arrays, strength=np.array(result.strength))
