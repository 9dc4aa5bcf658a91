"""Make the golden values of the smoke study again, from a smoke run on a CPU:

    pse-repro smoke --device cpu --fresh && python -m pse_repro.expected.golden runs/smoke

Only after a change that is meant to change numbers; the commit says why.
"""

import sys
import time
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from pse_repro.errors import UsageError
from pse_repro.expected import FOLDER, load_expected
from pse_repro.study.runner import read_results
from pse_repro.tables import write_table

METRICS = ("first_train_loss", "validation_mse", "feature_mean", "feature_std")
COLUMNS = ("protocol", "encoder", "objective", "sigma", "evaluation", "fold", "metric", "value")


def golden(results: pd.DataFrame, conditions: dict[str, str], source: str) -> pd.DataFrame:
    """The rows of a smoke run that are kept, with their source; UsageError where it was run under other conditions."""
    for column, wanted in conditions.items():
        found = sorted(set(results[column]))
        if found != [wanted]:
            raise UsageError(f"{column} is {', '.join(found)}; golden values are made with {column} {wanted}")
    kept = results[results["metric"].isin(METRICS) & results["evaluation"].eq("pretrain")]
    return kept[list(COLUMNS)].assign(source=source, note="")


def main(run: str) -> None:
    source = f"pse-repro smoke --device cpu, {time.strftime('%Y-%m-%d')}, PyTorch {version('torch').split('+')[0]}"
    frame = golden(read_results(Path(run)), dict(load_expected("smoke").conditions), source)
    write_table(frame, FOLDER / "smoke.csv")
    print(f"{len(frame)} golden values written to {FOLDER / 'smoke.csv'}")


if __name__ == "__main__":
    main(sys.argv[1])
