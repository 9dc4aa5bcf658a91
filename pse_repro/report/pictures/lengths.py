"""Test accuracy against the length of pre-training, for runs that evaluate it earlier (linear@2, after two epochs)."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

import pandas as pd

from pse_repro.config.protocol import Protocol
from pse_repro.evaluation.registry import epochs_of, kind_of, title_of
from pse_repro.report.pictures.picture import Picture, Section
from pse_repro.report.pictures.plots import GRID, Drawing, as_svg, grid, legend, log_axis, style
from pse_repro.stats import mean_interval
from pse_repro.study.cells import key, label
from pse_repro.study.record import Run

Points = dict[int, list[float]]  # by epochs: ensemble top-1 of each seed, in percent


def section(run: Run) -> list[Section]:
    """Return a section with a picture per protocol; none if nothing is evaluated before the end of pre-training."""
    pictures = [picture for protocol in run.protocols for picture in _picture(run, protocol)]
    words = "Top-1 of the encoder that a pre-training of so many epochs would have kept; the last point is the whole."
    return [Section("Accuracy by length of pre-training", words, pictures)] if pictures else []


def _picture(run: Run, protocol: Protocol) -> list[Picture]:
    kinds = dict.fromkeys(kind_of(name) for name in run.study.evaluations if epochs_of(name))
    panels = {title_of(kind): curves(run, protocol, kind) for kind in kinds}
    if not any(points for lines in panels.values() for points in lines.values()):
        return []
    words = "; ".join(f"{title}: {', '.join(_in_words(lines))}" for title, lines in panels.items())
    caption = (
        "Ensemble top-1 in percent: means over seeds, with 95 % intervals over them if there are several; protocol "
        f"{protocol.name}; data: {run.images_name}. All models are tested on the same images, and models of a seed "
        "share their split, so differences are more certain than these intervals suggest."
    )
    name = f"lengths-{protocol.name.replace('/', '-')}.svg"
    return [Picture(name, f"Top-1 by epochs of pre-training. {words}.", caption, lengths_figure(panels))]


def curves(run: Run, protocol: Protocol, kind: str) -> dict[str, Points]:
    """Return the points of each model in one kind of evaluation, those of untrained encoders at 0 epochs."""
    part = run.results[run.results["protocol"].eq(protocol.name) & run.results["metric"].eq("top1")]
    part = part[part["fold"].eq("ensemble")]
    found: dict[str, Points] = {}
    for cell in {cell.model: cell for cell in run.cells if cell.protocol.name == protocol.name}.values():
        untrained = cell.model.objective == "random"
        own = part[(part[list(key(cell.model))] == pd.Series(key(cell.model))).all(axis=1)]
        points: Points = {}
        for evaluation in (name for name in cell.evaluations if kind_of(name) == kind):
            values = own[own["evaluation"] == evaluation].sort_values("seed")["value"]
            if len(values):
                points[0 if untrained else epochs_of(evaluation) or cell.length.epochs] = list(values)
        if points:
            found[label(cell.model)] = dict(sorted(points.items()))
    return found


def lengths_figure(panels: Mapping[str, Mapping[str, Points]]) -> Drawing:
    """Draw a panel per evaluation with a line per model, and a horizontal one per untrained encoder."""
    figure, axes = grid(len(panels), 4.2, 3.4, columns=3)
    names = dict.fromkeys(name for lines in panels.values() for name in lines)
    handles: dict[str, Any] = {}
    for panel, (title, lines) in zip(axes, panels.items(), strict=True):
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("epochs of pre-training", fontsize=9)
        panel.grid(True, color=GRID, linewidth=0.6)
        log_axis(panel, "x")
        for number, name in enumerate(names):
            points = lines.get(name, {})
            if 0 in points:
                dash = {key: style(number)[key] for key in ("color", "linestyle")}
                handles[name] = panel.axhline(fmean(points[0]), linewidth=1, **dash)
            elif points:
                means = [fmean(values) for values in points.values()]
                handles[name] = panel.errorbar(
                    list(points), means, list(map(_reach, points.values())), **style(number), markersize=4, capsize=2
                )
    axes[0].set_ylabel("test top-1 %", fontsize=9)
    legend(figure, handles)
    return as_svg(figure)


def _reach(values: Sequence[float]) -> float:
    """Return half the width of the interval over seeds; 0 for one seed."""
    if len(values) < 2:
        return 0.0
    interval = mean_interval(list(values))
    return (interval.high - interval.low) / 2


def _in_words(lines: Mapping[str, Points]) -> Iterable[str]:
    for name, points in lines.items():
        values = (f"{fmean(values):.2f}" + (f" after {epochs}" if epochs else "") for epochs, values in points.items())
        yield f"{name} {', '.join(values)}"
