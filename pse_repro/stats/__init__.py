"""Statistics for comparisons and claims: pure functions from arrays to small frozen dataclasses.

Differences of correctness are in percentage points, a minus b; other values keep their own unit. One or two
seeds never support a conclusion: the verdict is "undecided".
"""

from pse_repro.stats.intervals import (
    Interval,
    PooledVariance,
    StandardError,
    images_interval,
    mean_interval,
    paired_difference,
    pooled_variance,
)
from pse_repro.stats.significance import McNemar, holm, mcnemar
from pse_repro.stats.verdicts import (
    MIN_SEEDS,
    ClaimVerdict,
    Direction,
    Equivalence,
    equivalence,
    equivalence_claim,
    equivalence_p_value,
    outside_p_value,
    superiority_claim,
)

__all__ = [
    "MIN_SEEDS",
    "ClaimVerdict",
    "Direction",
    "Equivalence",
    "Interval",
    "McNemar",
    "PooledVariance",
    "StandardError",
    "equivalence",
    "equivalence_claim",
    "equivalence_p_value",
    "holm",
    "images_interval",
    "mcnemar",
    "mean_interval",
    "outside_p_value",
    "paired_difference",
    "pooled_variance",
    "superiority_claim",
]
