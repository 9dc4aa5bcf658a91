"""Regenerate the golden values of the smoke study, or of its variant for all objectives, from a run on a CPU:

    pse-repro smoke --device cpu --fresh && python -m pse_repro.compare.golden runs/smoke
    pse-repro smoke --objectives --device cpu --fresh && python -m pse_repro.compare.golden runs/smoke-objectives

Use it only after a change that is meant to change numbers, and give the reason in the commit message.
"""

import sys
import time
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from pse_repro.errors import UsageError
from pse_repro.expected import FOLDER, load_expected
from pse_repro.study.record import Run
from pse_repro.tables import write_table

METRICS = {
    "smoke": ("first_train_loss", "validation_mse", "feature_mean", "feature_std"),
    "smoke-objectives": ("first_train_loss", "validation_loss"),
}
COLUMNS = ("protocol", "encoder", "objective", "sigma", "evaluation", "fold", "metric", "value")


def golden(name: str, results: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return the rows of a run's results that the table `name` keeps.

    Raises:
        UsageError: the run was made under conditions other than the table's.
    """
    for column, wanted in load_expected(name).conditions.items():
        found = sorted(set(results[column]))
        if found != [wanted]:
            raise UsageError(f"{column} is {', '.join(found)}; golden values are made with {column} {wanted}")
    kept = results[results["metric"].isin(METRICS[name]) & results["evaluation"].eq("pretrain")]
    return kept[list(COLUMNS)].assign(source=source, note="")


def main(directory: str) -> None:
    """Write the golden values of the run in `directory` to its study's table beside the other expected values."""
    run = Run.open(Path(directory))
    name = run.study.name
    command = "smoke --objectives" if name == "smoke-objectives" else name
    source = f"pse-repro {command} --device cpu, {time.strftime('%Y-%m-%d')}, PyTorch {version('torch').split('+')[0]}"
    frame = golden(name, run.require_results(), source)
    write_table(frame, FOLDER / f"{name}.csv")
    print(f"{len(frame)} golden values written to {FOLDER / f'{name}.csv'}")


if __name__ == "__main__":
    main(sys.argv[1])
