"""What the fourteen switches are and, given a run that turned some of them, what each did (`pse-repro explain`).

Of every protocol in a run: the gap in ensemble top-1 between PSE and MSE, and how gap and accuracy differ from those of
the protocol it was turned from. Gaps are of the same test images, so their intervals are paired (pse_repro.statistics).
"""

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from pse_repro.config import Model
from pse_repro.seeding import derive
from pse_repro.statistics import Interval, paired_difference
from pse_repro.study.cells import WITHOUT_FOLDS
from pse_repro.study.predictions import Predictions
from pse_repro.study.runner import Record
from pse_repro.switches import Switch, all_switches

BASE = "as-released"
EFFECTS_HEADER = (
    "protocol",
    "turned",
    "evaluation",
    "seeds",
    "MSE %",
    "PSE %",
    "PSE - MSE",
    "its change",
    "MSE's change",
)


@dataclass(frozen=True)
class Effect:
    """A pair of models under one protocol; accuracies in percent, differences in percentage points."""

    protocol: str
    switches: tuple[int, ...]  # that differ from the base protocol
    evaluation: str
    pair: str  # PSE's model, MSE's model
    seeds: int
    mse_top1: float
    pse_top1: float
    gap: Interval  # PSE minus MSE
    gap_change: Interval | None  # against the base; None for the base itself
    mse_change: Interval | None


def switch_effects(directory: Path, record: Record) -> list[Effect]:
    """Every pair, evaluation and protocol of a run whose folds are complete, for the seeds that all of them have."""
    stored = Predictions(directory, record)
    return [
        effect
        for pse, mse in _pairs(record.study.models)
        for evaluation in record.study.evaluations
        if evaluation not in WITHOUT_FOLDS
        for effect in _effects(stored, record, pse.name, mse.name, evaluation)
    ]


def _pairs(models: tuple[Model, ...]) -> Iterator[tuple[Model, Model]]:
    """Each PSE model with the MSE model of its encoder."""
    for pse in models:
        for mse in models:
            if (pse.objective, mse.objective, pse.encoder) == ("pse", "mse", mse.encoder):
                yield pse, mse


def _effects(stored: Predictions, record: Record, pse: str, mse: str, evaluation: str) -> Iterator[Effect]:
    names = [protocol.name for protocol in record.protocols]
    seeds = {
        name: [seed for seed in stored.seeds if all(stored.complete(name, m, evaluation, seed) for m in (pse, mse))]
        for name in names
    }
    for protocol in record.protocols:
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
            switches=_turned(record, name),
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
    """Correctness (seeds, images) of the two models' ensembles, 0.0 or 1.0."""
    pair = [
        np.stack([stored.correct(protocol, model, evaluation, seed).ensemble_N for seed in seeds]).astype(float)
        for model in (pse, mse)
    ]
    return pair[0], pair[1]


def _turned(record: Record, name: str) -> tuple[int, ...]:
    """The numbers of the switches in which a protocol differs from the base."""
    protocols = {protocol.name: protocol for protocol in record.protocols}
    if BASE not in protocols:
        return ()
    ours, theirs = protocols[name].switches, protocols[BASE].switches
    return tuple(switch.number for switch in all_switches() if getattr(ours, switch.key) != getattr(theirs, switch.key))


def render_switches(format: str) -> str:
    """The fourteen switches in words; `format` is table, markdown or json (schemas/switches.schema.json)."""
    if format == "json":
        return json.dumps([asdict(switch) for switch in all_switches()], indent=1)
    if format == "markdown":
        header = ["switch", "as described (slides)", "as released (code)", "read in"]
        rows = [[f"{s.number}. {s.title}", s.slides, s.code, s.read] for s in all_switches()]
        return tabulate([[cell.replace("|", "\\|") for cell in row] for row in rows], header, "pipe")
    return "\n\n".join(_in_words(switch) for switch in all_switches())


def _in_words(switch: Switch) -> str:
    lines = [("slides", switch.slides), ("code", switch.code), ("read in", switch.read)]
    if switch.described == switch.released:
        lines.append(("turned", f"{switch.key} = {switch.otherwise}; both protocols have {switch.released}"))
    else:
        lines.append(("turned", f"{switch.key} = {switch.described}; as released {switch.released}"))
    fill = textwrap.TextWrapper(78, initial_indent=" " * 4, subsequent_indent=" " * 13).fill
    body = (fill(f"{name:<9}{text}") for name, text in lines)
    return "\n".join([f"{switch.number}. {switch.title}", *body])


def render_effects(effects: list[Effect], data: str, format: str) -> str:
    """What each switch did in a run on `data`; `format` is table, markdown or json (schemas/effects.schema.json)."""
    if format == "json":
        return json.dumps({"data": data, "effects": [_plain(effect) for effect in effects]}, indent=1, allow_nan=False)
    pairs = " and ".join(dict.fromkeys(effect.pair for effect in effects))
    style = "pipe" if format == "markdown" else "simple"
    table = tabulate(effect_rows(effects), EFFECTS_HEADER, style, disable_numparse=True)
    unit = "ensemble top-1; differences in percentage points with 95 % intervals over seeds and test images"
    return f"{table}\n\n{pairs}, on {data}: {unit}; changes are against {BASE}"


def effect_rows(effects: Sequence[Effect]) -> list[list[str]]:
    """A row of EFFECTS_HEADER for each."""
    return [
        [
            effect.protocol, turned_words(effect), effect.evaluation, str(effect.seeds), f"{effect.mse_top1:.2f}",
            f"{effect.pse_top1:.2f}", _points(effect.gap), _points(effect.gap_change), _points(effect.mse_change),
        ]
        for effect in effects
    ]  # fmt: skip


def turned_words(effect: Effect) -> str:
    """The switch that a protocol turned, by its title; their number where there are several."""
    if len(effect.switches) != 1:
        return f"{len(effect.switches)} switches" if effect.switches else "-"
    return next(switch.title for switch in all_switches() if switch.number == effect.switches[0])


def _points(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    if interval.seeds < 2:
        return f"{interval.estimate:+.2f} (one seed)"
    return f"{interval.estimate:+.2f} ({interval.low:+.2f} to {interval.high:+.2f})"


def _plain(effect: Effect) -> dict[str, Any]:
    """JSON has no infinity, and an interval of one seed, which is over test images alone, is marked by its seeds."""
    plain = asdict(effect)
    for name in ("gap", "gap_change", "mse_change"):
        interval = getattr(effect, name)
        kept = ("estimate", "low", "high", "confidence", "seeds")
        plain[name] = None if interval is None else {key: getattr(interval, key) for key in kept}
    return plain
