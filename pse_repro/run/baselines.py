"""The baselines on raw pixels, fold by fold, as rows of the results table: what is done before is taken up."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pse_repro.config.protocol import Protocol
from pse_repro.data.stl10 import Dataset
from pse_repro.evaluation.baselines import Baseline
from pse_repro.evaluation.scores import ensemble, scores
from pse_repro.progress.stages import Progress
from pse_repro.study import store


def baseline_is_there(name: str, protocol: Protocol, count: int, run_directory: Path) -> bool:
    """Are all folds of that baseline done?"""
    return all(path.exists() for path in _paths(name, protocol, count, run_directory))


def baseline_rows(
    name: str, protocol: Protocol, count: int, data: Dataset, run_directory: Path, progress: Progress
) -> pd.DataFrame:
    """Rows of evaluation "linear" under `protocol`, of which only the folds (switch 11) and their number matter.

    RUN/baselines/NAME-ORDER-FOLDS/fold-K.npz: probabilities (N, 10) on the test set, labels, the C that was chosen.
    """
    settings, order = protocol.settings, protocol.switches.fold_order
    labels = data.test.targets
    paths = _paths(name, protocol, count, run_directory)
    is_there = baseline_is_there(name, protocol, count, run_directory)
    baseline = None if is_there else Baseline(name, data, settings.folds, order)
    found: list[dict[str, Any]] = []
    for number, path in enumerate(paths, 1):
        if not path.exists():
            assert baseline is not None
            with progress.stage(f"baseline {name} fold {number}/{count}", len(data.train)) as stage:
                result = baseline.fold(number)
                stage.advance(len(data.train))
            arrays = {"probabilities": result.probabilities_NK, "labels": data.test.stored_labels}
            store.write_npz(path, **arrays, strength=np.array(result.strength))
        found.append(store.read_npz(path))
    probabilities = [arrays["probabilities"] for arrays in found]
    by_fold = {str(number): scores(part, labels) for number, part in enumerate(probabilities, 1)}
    by_fold["ensemble"] = scores(ensemble(probabilities), labels)
    key = {"protocol": protocol.name, "encoder": name, "objective": "none", "sigma": "", "seed": 0}
    return pd.DataFrame([
        key | {"evaluation": "linear", "fold": fold, "metric": metric, "value": value}
        for fold, values in by_fold.items() for metric, value in values.items()
    ])  # fmt: skip


def _paths(name: str, protocol: Protocol, count: int, run_directory: Path) -> list[Path]:
    folder = run_directory / "baselines" / f"{name}-{protocol.switches.fold_order}-{protocol.settings.folds}"
    return [folder / f"fold-{number}.npz" for number in range(1, count + 1)]
