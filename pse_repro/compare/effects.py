"""Effects of a run's protocols on the accuracy of PSE and MSE (`pse-repro explain RUN`).

For every protocol of a run: the gap in ensemble top-1 between PSE and MSE, and the change of this gap and of MSE's
accuracy against the base protocol, as-released. All are measured on the same test images, so the intervals are paired
(pse_repro.stats).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pse_repro.config.study import Model
from pse_repro.config.switches import all_switches
from pse_repro.evaluation.registry import has_folds
from pse_repro.seeding import derive
from pse_repro.stats import Interval, paired_difference
from pse_repro.study.predictions import Predictions
from pse_repro.study.record import Run

BASE = "as-released"


@dataclass(frozen=True)
class Effect:
    """The gap between two models under one protocol; accuracies in percent, differences in percentage points."""

    protocol: str
    switches: tuple[int, ...]  # numbers of the switches that differ from the base protocol
    evaluation: str
    pair: str  # "PSE MODEL - MSE MODEL"
    seeds: int
    mse_top1: float
    pse_top1: float
    gap: Interval  # PSE minus MSE
    gap_change: Interval | None  # against the base; None for the base itself
    mse_change: Interval | None


def switch_effects(run: Run) -> list[Effect]:
    """Return the effect for each pair of models, evaluation and protocol with complete folds.

    Only seeds that are complete for both models count, under the protocol and under the base if the run has it.
    """
    stored = Predictions(run)
    return [
        effect
        for pse, mse in _pairs(run.study.models)
        for evaluation in run.study.evaluations
        if has_folds(evaluation)
        for effect in _effects(stored, pse.name, mse.name, evaluation)
    ]


def _pairs(models: tuple[Model, ...]) -> Iterator[tuple[Model, Model]]:
    """Yield each PSE model with the MSE model of the same encoder, images and label."""
    for pse in models:
        for mse in models:
            same = (pse.encoder, pse.labels) == (mse.encoder, mse.labels)
            if same and (pse.objective, mse.objective) == ("pse", "mse"):
                yield pse, mse


def _effects(stored: Predictions, pse: str, mse: str, evaluation: str) -> Iterator[Effect]:
    protocols = stored.run.protocols
    names = [protocol.name for protocol in protocols]
    seeds = {
        name: [seed for seed in stored.seeds if all(stored.complete(name, m, evaluation, seed) for m in (pse, mse))]
        for name in names
    }
    for protocol in protocols:
        name, base = protocol.name, BASE if BASE in names and protocol.name != BASE else None
        common = [seed for seed in seeds[name] if base is None or seed in seeds[base]]
        if not common:
            continue
        ours, theirs = _stacked(stored, name, pse, mse, evaluation, common), None
        if base:
            theirs = _stacked(stored, base, pse, mse, evaluation, common)
        random = np.random.default_rng(derive("explain", name, evaluation, pse, mse))
        yield Effect(
            protocol=name,
            switches=_turned(stored.run, name),
            evaluation=evaluation,
            pair=f"{pse} - {mse}",
            seeds=len(common),
            mse_top1=100 * float(ours[1].mean()),
            pse_top1=100 * float(ours[0].mean()),
            gap=paired_difference(*ours, generator=random),
            gap_change=None
            if theirs is None
            else paired_difference(ours[0] - ours[1], theirs[0] - theirs[1], generator=random),
            mse_change=None if theirs is None else paired_difference(ours[1], theirs[1], generator=random),
        )


def _stacked(
    stored: Predictions, protocol: str, pse: str, mse: str, evaluation: str, seeds: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the correctness (seeds, images) of the PSE and of the MSE ensemble, 0.0 or 1.0."""
    pair = [
        np.stack([stored.correct(protocol, model, evaluation, seed).ensemble_N for seed in seeds]).astype(float)
        for model in (pse, mse)
    ]
    return pair[0], pair[1]


def _turned(run: Run, name: str) -> tuple[int, ...]:
    """Return the numbers of the switches in which a protocol differs from the base; empty if the run lacks the base."""
    protocols = {protocol.name: protocol for protocol in run.protocols}
    if BASE not in protocols:
        return ()
    ours, theirs = protocols[name].switches, protocols[BASE].switches
    return tuple(switch.number for switch in all_switches() if getattr(ours, switch.key) != getattr(theirs, switch.key))
