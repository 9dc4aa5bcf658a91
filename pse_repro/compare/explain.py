"""Rendering of the fourteen switches, and of their effects in a run, as text or JSON."""

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from pse_repro.compare.effects import BASE, Effect
from pse_repro.config.switches import Switch, all_switches
from pse_repro.stats import Interval
from pse_repro.text import to_json

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


def render_switches(format: str) -> str:
    """Describe the fourteen switches; `format` is table, markdown or json (schemas/switches.schema.json)."""
    if format == "json":
        return to_json([asdict(switch) for switch in all_switches()])
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
    """Render the effects in a run on `data`; `format` is table, markdown or json (schemas/effects.schema.json)."""
    if format == "json":
        return to_json({"data": data, "effects": [_plain(effect) for effect in effects]})
    pairs = " and ".join(dict.fromkeys(effect.pair for effect in effects))
    style = "pipe" if format == "markdown" else "simple"
    table = tabulate(effect_rows(effects), EFFECTS_HEADER, style, disable_numparse=True)
    unit = "ensemble top-1; differences in percentage points with 95 % intervals over seeds and test images"
    return f"{table}\n\n{pairs}, on {data}: {unit}; changes are against {BASE}"


def effect_rows(effects: Sequence[Effect]) -> list[list[str]]:
    """Return a row of text (columns: EFFECTS_HEADER) for each effect."""
    return [
        [
            effect.protocol, turned_words(effect), effect.evaluation, str(effect.seeds), f"{effect.mse_top1:.2f}",
            f"{effect.pse_top1:.2f}", _points(effect.gap), _points(effect.gap_change), _points(effect.mse_change),
        ]
        for effect in effects
    ]  # fmt: skip


def turned_words(effect: Effect) -> str:
    """Return the title of the switch that the protocol turned, or their number if there are several."""
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
    """Return an effect as a dictionary for JSON, with the public fields of its intervals.

    An interval of one seed covers the test images only; readers recognise it by `seeds`.
    """
    plain = asdict(effect)
    for name in ("gap", "gap_change", "mse_change"):
        interval = getattr(effect, name)
        kept = ("estimate", "low", "high", "confidence", "seeds")
        plain[name] = None if interval is None else {key: getattr(interval, key) for key in kept}
    return plain
