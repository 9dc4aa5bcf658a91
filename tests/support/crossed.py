"""Simulated correctness of networks, seeds crossed with test images."""

import math

import numpy as np
from scipy.special import stdtrit

from pse_repro.stats import (
    Interval,
    StandardError,
    paired_difference,
)


def drawn(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def at_most(rate: float, nominal: float, count: int) -> bool:
    return rate <= nominal + 3 * math.sqrt(nominal * (1 - nominal) / count)


def difference(a: np.ndarray, b: np.ndarray, **options: float) -> Interval:
    return paired_difference(a, b, generator=drawn(), **options)


def interval(estimate: float, half: float, seeds: int = 3) -> Interval:
    error = StandardError(half / -stdtrit(seeds - 1, 0.025), seeds - 1) if seeds > 1 else StandardError(0, 0)
    return Interval(estimate, estimate - half, estimate + half, 0.95, seeds, (error,))
