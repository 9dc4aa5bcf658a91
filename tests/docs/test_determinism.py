"""docs/determinism.md: its table and the numbers of its text are those of docs/results/sensitivity.csv."""

from itertools import combinations
from pathlib import Path

import pandas as pd

from pse_repro.text import table

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "determinism.md").read_text(encoding="utf-8")
STORED = pd.read_csv(DOCS / "results" / "sensitivity.csv", keep_default_na=False)
REFERENCE = "reference"
NAMES = {
    "batch-7": "features of unchanged images in batches of 7",
    "threads-2": "two threads, not one",
    "torch-2.13": "PyTorch 2.13.0, not 2.15.0",
    "bf16": "`--precision bf16`, not fp32",
}
WHAT = ["objective", "seed", "evaluation", "metric"]


def differences(change: str) -> pd.DataFrame:
    """Return metric and absolute difference of every number that a change of this name (or of the seed) moved."""
    reference = STORED[STORED["change"] == REFERENCE].set_index(WHAT)["value"]
    if change == "seed":
        wide = reference.unstack("seed")
        pairs = [(wide[one] - wide[other]).abs() for one, other in combinations(wide, 2)]
        moved, base = pd.concat(pairs), wide.mean(axis=1)
        relative = pd.concat([pair / base for pair in pairs])
    else:
        changed = STORED[STORED["change"] == change].set_index(WHAT)["value"]
        base = reference.reindex(changed.index)
        moved = (changed - base).abs()
        relative = moved / base
    return pd.DataFrame({"absolute": moved, "relative": relative}).reset_index()


def row(change: str, name: str) -> list[str]:
    """Return one row of the page's table."""
    found = differences(change)
    points = found.loc[found["metric"] == "top1", "absolute"]
    losses = 100 * found.loc[found["metric"] == "validation_loss", "relative"]
    cells = [f"{value:.2f}" for value in (points.mean(), points.max())]
    return [name, *cells, *(f"{value:.2g}" for value in (losses.mean(), losses.max()))]


def measured() -> str:
    """Return the page's table."""
    rows = [row("seed", "another seed"), *(row(change, name) for change, name in NAMES.items())]
    header = ["what changed", "top-1, mean", "top-1, max", "loss, mean", "loss, max"]
    return table(header, "lrrrr", rows, "pipe")


def test_the_table_is_that_of_the_stored_numbers() -> None:
    assert set(STORED["change"]) == {REFERENCE, *NAMES}
    assert measured() in PAGE, f"docs/determinism.md needs this table:\n{measured()}"


def test_the_accuracy_in_the_text_is_the_stored_one() -> None:
    scores = STORED[(STORED["change"] == REFERENCE) & (STORED["metric"] == "top1")]["value"]
    assert f"top-1 of {scores.min():.1f} to {scores.max():.1f} %" in PAGE
    assert not differences("torch-2.13")["absolute"].any()  # "gave the same numbers"
    seeds = STORED.groupby("change")["seed"].nunique()
    assert set(seeds) == {2}
