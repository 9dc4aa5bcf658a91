"""The report of a run: report.html, self-contained, and report.md with its figures beside it."""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import numpy as np
import pandas as pd

from pse_repro.claims import ClaimResult
from pse_repro.compare import Comparison
from pse_repro.config import Protocol, Settings, Switches
from pse_repro.explain import Effect, switch_effects
from pse_repro.files import write_bytes
from pse_repro.report import contents, plots, tables
from pse_repro.report.contents import Run
from pse_repro.report.effects import effects_figure, effects_table, effects_words
from pse_repro.report.plots import Curve, Detail, Drawing, Score
from pse_repro.study import store
from pse_repro.study.cells import Cell

FOLDED_ROWS = 40  # a longer comparison is folded away
SHOWN_CELLS = 16  # cells whose reconstructions are shown: a report stays under 3 MB


@dataclass(frozen=True)
class Picture:
    """A figure of the report: `name` is its file in figures/, `alt` says in words what it shows."""

    name: str
    alt: str
    drawing: Drawing

    @property
    def source(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.drawing.png).decode()

    @property
    def path(self) -> str:
        return "figures/" + quote(self.name)


def write_report(directory: Path, comparison: Comparison, claims: Sequence[ClaimResult] = ()) -> Path:
    """Write RUN/report.html, RUN/report.md and RUN/figures/*.png, each whole or not at all; returns the page's path.

    A run that is not finished gives a report of what there is. UsageError where the directory is not a run.
    """
    run = Run.read(directory)
    page = _contents(run, comparison) | {"claims": tables.claims(claims)}
    for picture in [
        *page["bars"],
        *page["effect_figures"],
        *page["curves"],
        *(picture for _, pictures in page["sheets"] for picture in pictures),
    ]:
        write_bytes(directory / "figures" / picture.name, picture.drawing.png)
    write_bytes(directory / "report.md", _template("page.md.jinja").render(page).encode())
    write_bytes(directory / "report.html", _template("page.html.jinja").render(page).encode())
    return directory / "report.html"


def _contents(run: Run, comparison: Comparison) -> dict[str, Any]:
    """Everything the templates name."""
    trained = [cell for cell in run.cells if run.model_file(cell, "reconstructions.npz").is_file()]
    pictured = [cell for cell in trained if cell.seed == min(each.seed for each in trained)][:SHOWN_CELLS]
    detail = Detail.of(len(pictured))
    effects = switch_effects(run.directory, run.record)
    return {
        "study": run.record.study.name,
        "verdict": contents.verdict(comparison),
        "status": "bad" if comparison.exit_status() else "",
        "warnings": contents.warnings(run),
        "failures": contents.failures(run),
        "facts": contents.facts(run),
        "scores": tables.score_tables(run, comparison),
        "baselines": tables.baseline_table(run),
        "bars": _scores(run, comparison),
        "effects": effects_table(effects),
        "effect_figures": _effects(effects),
        "comparison": tables.comparison_table(comparison),
        "folded_rows": FOLDED_ROWS,
        "source": comparison.expected.source,
        "notes": comparison.expected.notes,
        "pretraining": tables.pretraining_table(run),
        "curves": [picture for protocol in run.record.protocols for picture in _curves(run, protocol)],
        "sheets": [(run.title(cell), _sheets(run, cell, detail)) for cell in pictured],
        "not_pictured": len(trained) - len(pictured),
        "cells": tables.cells_table(run),
        "protocols": [tables.protocol_table(run, part) for part in (Switches, Settings)],
        "command": contents.command(run),
    }


def _scores(run: Run, comparison: Comparison) -> list[Picture]:
    """Top-1 of every model, a panel for each protocol and evaluation; none where nothing is judged yet."""
    panels: dict[str, list[Score]] = {}
    for protocol in run.record.protocols:
        for evaluation in run.record.study.evaluations:
            if scores := tables.top1_scores(run, comparison, protocol, evaluation):
                panels[f"{tables.EVALUATIONS.get(evaluation, evaluation)}\n{protocol.name}"] = scores
    if not panels:
        return []
    words = "; ".join(
        f"{name.replace(chr(10), ', ')}: "
        + ", ".join(f"{score.model} {sum(score.ensembles) / len(score.ensembles):.2f}" for score in scores)
        for name, scores in panels.items()
    )
    alt = f"Test top-1 accuracy of the ensembles in percent, with each fold's and the published ones. {words}."
    return [Picture("scores.png", alt, plots.scores_figure(panels))]


def _effects(effects: Sequence[Effect]) -> list[Picture]:
    """What each protocol did, where there are several."""
    figure = effects_figure(effects)
    return [] if figure is None else [Picture("switches.png", effects_words(effects), figure)]


def _curves(run: Run, protocol: Protocol) -> list[Picture]:
    """The curves of pre-training and of the classifiers, under one protocol; none where there are none yet."""
    cells = [cell for cell in run.cells if cell.protocol.name == protocol.name]
    pretraining: dict[str, list[Curve]] = {"MSE": [], "own loss": []}
    classifiers: dict[str, list[Curve]] = {}
    for cell in cells:
        path, model = run.model_file(cell, "curves.csv"), contents.label(cell.model)
        if path.is_file() and (note := run.pretrained(cell)):
            frame, best = pd.read_csv(path), int(note["metrics"]["best_epoch"])
            for title, column in (("MSE", "validation_mse"), ("own loss", "validation_loss")):
                pretraining[title].append(Curve(model, frame[column].to_numpy(float), best))
        for evaluation in cell.evaluations:
            for path in run.fold_files(cell, evaluation):
                fold = store.read_npz(path)
                curve = Curve(model, fold["validation_losses"].astype(float), int(fold["best_epoch"]))
                classifiers.setdefault(tables.EVALUATIONS.get(evaluation, evaluation), []).append(curve)
    suffix = f"-{protocol.name}.png".replace("/", "-")
    pictures = []
    for name, title, panels, log in (
        ("pretraining", "Pre-training", pretraining, True),
        ("classifiers", "Classifiers", classifiers, False),
    ):
        if any(panels.values()):
            title = f"{title}, {protocol.name}"
            alt = f"{title}: validation loss by epoch. {_in_words(panels)}"
            pictures.append(Picture(name + suffix, alt, plots.curves_figure(title, panels, log)))
    return pictures


def _in_words(panels: dict[str, list[Curve]]) -> str:
    """The lowest value of each model in each panel, over its seeds and folds."""
    sentences = []
    for title, curves in panels.items():
        lowest: dict[str, float] = {}
        for curve in curves:
            value = float(curve.values[curve.best])
            lowest[curve.model] = min(value, lowest.get(curve.model, value))
        values = ", ".join(f"{model} {low:.4g}" for model, low in lowest.items())
        sentences.append(f"{title} at the best epoch: {values}")
    return "; ".join(sentences) + "."


def _sheets(run: Run, cell: Cell, detail: Detail) -> list[Picture]:
    """Reconstructions of a few test images, and for PSE the sheet of slide 10 for the first of them."""
    arrays = store.read_npz(run.model_file(cell, "reconstructions.npz"))
    images, reconstructions, sigma = arrays["images"], arrays["reconstructions"], cell.model.sigma
    error = float(np.square(reconstructions.astype(float) - images.astype(float)).mean())
    name, title = cell.name.replace("/", "-"), run.title(cell)
    alt = (
        f"{title}: test images (top row), their reconstructions, residuals and residual densities; "
        f"mean squared error of {len(images)} images {error:.4f}"
    )
    sheet = plots.reconstruction_sheet(images, reconstructions, sigma, detail)
    pictures = [Picture(f"reconstructions-{name}.png", alt, sheet)]
    if cell.model.objective == "pse":
        sheet = plots.residual_sheet(images[0], reconstructions[0], sigma, detail)
        alt = f"{title}: one test image X, its reconstruction Y, residual M and density P, and their averages in pairs"
        pictures.append(Picture(f"residuals-{name}.png", alt, sheet))
    return pictures


def _template(name: str) -> jinja2.Template:
    """A template beside this file; whatever it prints is escaped, for HTML or for Markdown."""
    html = name.endswith(".html.jinja")
    finalize: Callable[..., Any] | None = None if html else _markdown
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pse_repro", "report"),
        autoescape=html,
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)


def _markdown(value: object) -> str:
    """Text that is only text in Markdown, in one line."""
    text = re.sub(r"([\\`*\[\]|])", r"\\\1", str(value)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(text.split())
