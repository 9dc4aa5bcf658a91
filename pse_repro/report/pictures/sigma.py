"""Test accuracy of MSE and of PSE at each bandwidth, with intervals and the slides' values.

Shapes: S seeds, N test images.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pse_repro.config.study import Model
from pse_repro.evaluation.registry import EVALUATIONS, title_of
from pse_repro.expected import load_expected
from pse_repro.report.pictures.picture import Picture, Section, not_pictured, paragraph
from pse_repro.report.pictures.plots import COLOURS, GRID, MARKS, Drawing, as_svg, grid, legend
from pse_repro.stats import Interval, images_interval, paired_difference
from pse_repro.study.cells import key
from pse_repro.study.predictions import Predictions
from pse_repro.study.record import Run
from pse_repro.tables import model_name

MAX_PROTOCOLS = 4
MAX_PLACES = 12  # models side by side in a panel
_CHANCE = 10.0  # percent
_CONFIDENCE = 0.95
_FOLDS, _SLIDES = "single folds", "slides"


@dataclass(frozen=True)
class Accuracy:
    """A model's ensemble top-1 with its interval, its folds' scores and the slides' value (or NaN), all in percent."""

    encoder: str
    place: str  # label on the axis: MSE, PSE 3
    interval: Interval
    folds: Sequence[float]
    slides: float


def section(run: Run) -> list[Section]:
    """Return a section with one picture, a panel per protocol and evaluation with scores; none without scores."""
    found, images = accuracies(run)
    if not found:
        return []
    words = "; ".join(f"{name}: {', '.join(map(_in_words, points))}" for name, points in found.items())
    over = f"the test images and {run.seeds} seeds" if run.seeds > 1 else "the test images; one seed"
    caption = (
        f"Ensemble top-1 with 95 % intervals (over {over}), n = {images} test images of {run.data['name']}. "
        "Rings: the slides' values, comparable only with runs as released on STL-10. Crosses: single folds. Dotted "
        "line: chance. All models are tested on the same images, so differences are more certain than these intervals "
        "suggest."
    )
    picture = Picture("sigma.svg", f"Test top-1 in percent. {words}.", caption, sigma_figure(found))
    left_out = {"protocol": len(run.protocols) - MAX_PROTOCOLS, "model": len(places_of(found)) - MAX_PLACES}
    words = "Accuracy of each model: MSE, then PSE by increasing bandwidth sigma (in pixels)."
    return [Section("Accuracy by sigma", paragraph(words, not_pictured(left_out)), [picture])]


def accuracies(run: Run) -> tuple[dict[str, list[Accuracy]], int]:
    """Return the accuracies by evaluation and protocol of models with complete folds, and the number of test images."""
    stored, images = Predictions(run), 0
    found: dict[str, list[Accuracy]] = {}
    of_study = run.study.evaluations
    for protocol in run.protocols[:MAX_PROTOCOLS]:
        for evaluation in (name for name, row in EVALUATIONS.items() if row.on_slides and name in of_study):
            for model in run.models:
                correct_SN = _correct(stored, protocol.name, model.name, evaluation)
                if len(correct_SN):
                    name, images = f"{title_of(evaluation)}, {protocol.name}", correct_SN.shape[1]
                    point = _accuracy(run.results, protocol.name, model, evaluation, correct_SN)
                    found.setdefault(name, []).append(point)
    return found, images


def accuracy_interval(correct_SN: np.ndarray) -> Interval:
    """Return the mean accuracy in percent, with an interval over images and, if there are several, over seeds."""
    if len(correct_SN) > 1:
        zeros = np.zeros(correct_SN.shape)
        return paired_difference(correct_SN, zeros, confidence=_CONFIDENCE, generator=np.random.default_rng(0))
    percent = 100 * float(correct_SN.mean())
    low, high = images_interval(percent, correct_SN.shape[1], _CONFIDENCE)
    return Interval(percent, low, high, _CONFIDENCE, seeds=1)


def sigma_figure(panels: Mapping[str, Sequence[Accuracy]]) -> Drawing:
    """Draw a panel per entry (name: accuracies): marks with whiskers, rings for the slides, small crosses for folds."""
    places = places_of(panels)[:MAX_PLACES]
    encoders = list(dict.fromkeys(point.encoder for points in panels.values() for point in points))
    figure, axes = grid(len(panels), max(3.2, 0.5 * len(places) + 0.9), 3.1, columns=2, share="all")
    handles: dict[str, Any] = {}
    for panel, (name, points) in zip(axes, panels.items(), strict=True):
        panel.set_title(name, fontsize=10)
        panel.axhline(_CHANCE, color="black", linewidth=0.8, linestyle=":")
        panel.set_xticks(range(len(places)), places)
        panel.set_xlim(-0.5, len(places) - 0.5)
        panel.grid(True, axis="y", color=GRID, linewidth=0.6)
        panel.set_axisbelow(True)
        for point in points:
            if point.place in places:
                number = encoders.index(point.encoder)
                shift = 0.34 * (number - (len(encoders) - 1) / 2)
                handles |= _mark(panel, point, places.index(point.place) + shift, number)
    for panel in axes[::2]:
        panel.set_ylabel("test top-1 %", fontsize=9)
    legend(figure, dict(sorted(handles.items(), key=lambda handle: handle[0] in (_FOLDS, _SLIDES))))
    return as_svg(figure)


def places_of(panels: Mapping[str, Sequence[Accuracy]]) -> list[str]:
    """Return the labels of the axis in order: MSE, PSE by sigma, then all others."""
    found = dict.fromkeys(point.place for points in panels.values() for point in points)

    def order(place: str) -> tuple[int, float]:
        objective, *words = place.split()  # "PSE 3", with a label "PSE (slow) 3" or "MSE (slow)"
        sigma = words[-1] if words and not words[-1].endswith(")") else "0"
        return {"MSE": 0, "PSE": 1}.get(objective, 2), float(sigma)

    return sorted(found, key=order)


def _mark(panel: Axes, point: Accuracy, x: float, number: int) -> dict[str, Any]:
    """Draw one model, and return the legend's handles by name."""
    interval, colour = point.interval, COLOURS[2 - 2 * (number % 2)]
    reach = np.nan_to_num([[interval.estimate - interval.low], [interval.high - interval.estimate]], posinf=0)
    own = panel.errorbar(
        x - 0.07, interval.estimate, reach, fmt=MARKS[number], color=colour, markersize=5, capsize=3, linewidth=1.4
    )
    handles: dict[str, Any] = {model_name(point.encoder, "none", ""): own}
    if len(point.folds):
        folds = np.full(len(point.folds), x - 0.07)
        (handles[_FOLDS],) = panel.plot(folds, point.folds, "x", color="#666666", markersize=3.5, zorder=1)
    if math.isfinite(point.slides):
        (handles[_SLIDES],) = panel.plot(
            x + 0.09, point.slides, "o", color=COLOURS[1], markerfacecolor="none", markersize=7, markeredgewidth=1.5
        )
    return handles


def _place(model: Model) -> str:
    if model.objective == "random":
        return "untrained"
    return model_name("", model.labelled, "") + ("" if model.sigma is None else f" {model.sigma:g}")


def _correct(stored: Predictions, protocol: str, model: str, evaluation: str) -> np.ndarray:
    """Return the correctness (S, N) of the ensembles, for the seeds with complete folds."""
    seeds = [seed for seed in stored.seeds if stored.complete(protocol, model, evaluation, seed)]
    return np.array([stored.correct(protocol, model, evaluation, seed).ensemble_N for seed in seeds])


def _accuracy(results: pd.DataFrame, protocol: str, model: Model, evaluation: str, correct_SN: np.ndarray) -> Accuracy:
    where = key(model) | {"evaluation": evaluation, "metric": "top1"}
    rows = _where(results, **where, protocol=protocol)
    folds = [float(value) for value in rows[rows["fold"] != "ensemble"]["value"]]
    slides = _where(load_expected("slides").frame, **where, fold="ensemble")["value"]
    published = float(slides.iloc[0]) if len(slides) else math.nan
    return Accuracy(model.encoder, _place(model), accuracy_interval(correct_SN), folds, published)


def _where(table: pd.DataFrame, **columns: str) -> pd.DataFrame:
    for column, value in columns.items():
        table = table[table[column] == value]
    return table


def _in_words(point: Accuracy) -> str:
    interval = point.interval
    slides = f", slides {point.slides:.2f}" if math.isfinite(point.slides) else ""
    name = f"{model_name(point.encoder, 'none', '')} {point.place}"
    return f"{name} {interval.estimate:.2f} ({interval.low:.2f} to {interval.high:.2f}{slides})"
