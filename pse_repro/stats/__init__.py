"""Statistics for comparisons and claims: pure functions from arrays to small frozen dataclasses.

Differences of correctness are in percentage points, a minus b; other values keep their own unit. A single seed never
supports a conclusion: its interval has a p-value of 1, and the verdict is "inconclusive".
"""

from pse_repro.stats.intervals import Interval, StandardError, images_interval, mean_interval, paired_difference
from pse_repro.stats.significance import McNemar, holm, mcnemar
from pse_repro.stats.verdicts import (
    ClaimVerdict,
    Equivalence,
    equivalence,
    equivalence_claim,
    equivalence_p_value,
    superiority_claim,
)

__all__ = [
    "ClaimVerdict",
    "Equivalence",
    "Interval",
    "McNemar",
    "StandardError",
    "equivalence",
    "equivalence_claim",
    "equivalence_p_value",
    "holm",
    "images_interval",
    "mcnemar",
    "mean_interval",
    "paired_difference",
    "superiority_claim",
]
