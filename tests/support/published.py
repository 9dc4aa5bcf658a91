"""Published tables in the form of results, unchanged or shifted."""

import pandas as pd

from pse_repro.expected import CELL, load_expected

SLIDES = load_expected("slides")
SCOPE = SLIDES.frame[["encoder", "objective", "sigma", "evaluation"]].drop_duplicates()  # of the whole study


def published(name: str = "slides", **columns: str) -> pd.DataFrame:
    """Return the values of an expected table in the form of measured results."""
    return load_expected(name).frame[["protocol", *CELL, "value"]].assign(**columns)


def shifted(results: pd.DataFrame, row: int, by: float) -> pd.DataFrame:
    """Return the results with one value changed."""
    return results.assign(value=results["value"] + [by if index == row else 0.0 for index in range(len(results))])
