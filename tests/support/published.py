"""The slides' table as results, whole or shifted."""

import pandas as pd

from pse_repro.expected import CELL, load_expected

SLIDES = load_expected("slides")


def published(name: str = "slides", **columns: str) -> pd.DataFrame:
    """Return an expected table's values as if someone had measured them."""
    return load_expected(name).frame[["protocol", *CELL, "value"]].assign(**columns)


def shifted(results: pd.DataFrame, row: int, by: float) -> pd.DataFrame:
    """Change one measured value."""
    return results.assign(value=results["value"] + [by if index == row else 0.0 for index in range(len(results))])
