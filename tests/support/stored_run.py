"""Runs in the layout of `pse_repro.study.store`, written without training; and a parser for their reports."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pse_repro.compare.join import Comparison, compare
from pse_repro.config.study import Model, Study
from pse_repro.evaluation.registry import has_folds
from pse_repro.expected import load_expected
from pse_repro.objectives import OBJECTIVES
from pse_repro.report.page import write_report
from pse_repro.study import store
from pse_repro.study.address import CellFiles, RunFiles
from pse_repro.study.cells import Cell, expand
from pse_repro.study.load import load_study, study_protocols
from pse_repro.study.record import Run
from pse_repro.tables import write_table

DATA = {"name": "stl10", "md5": {}}
MODELS = (Model("cnn", "mse"), Model("cnn", "pse", 3.0))
EPOCHS = 5
IMAGES = 20  # test images of the stored predictions


def study(**changes: object) -> Study:
    """Return the default study to store: two models, two folds, compared with the slides."""
    base = replace(load_study("smoke"), name="tiny", scale="full", expected="paper", models=MODELS, folds=2)
    return replace(base, subset=type(base.subset)(), overrides={}, **changes)


def record(study: Study, data: Mapping[str, object]) -> dict[str, Any]:
    """Return the contents of run.json."""
    protocols = [asdict(protocol) for protocol in study_protocols(study)]
    settings = {"study": asdict(study), "protocols": protocols, "data": data, "device": "cpu", "precision": "fp32"}
    return dict(json.loads(json.dumps(settings)))


def trained(seconds: float, metrics: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Return the contents of a pretrain.json."""
    return {"metrics": metrics or {}, "length": {"epochs": EPOCHS, "batch_size": 64}, "seconds": seconds}


def store_run(
    directory: Path, study: Study, seeds: int = 1, data: dict[str, object] = DATA, size: int = 24
) -> list[Cell]:
    """Store a finished run and return its cells; the stored images are `size` pixels wide."""
    store.write_json(RunFiles(directory).record, record(study, data))
    cells = expand(study, study_protocols(study), seeds)
    rows = [row for number, cell in enumerate(cells) for row in store_cell(directory, cell, number, data, size)]
    conditions = {"study": study.name, "data": data["name"], "device": "cpu", "precision": "fp32", "scale": study.scale}
    write_table(pd.DataFrame(rows).assign(**conditions), RunFiles(directory).results, store.write_bytes)
    return cells


def store_cell(directory: Path, cell: Cell, number: int, data: dict[str, object], size: int) -> list[dict[str, object]]:
    """Store a finished cell with values that depend on `number`, and return its rows of the results."""
    stored, random = CellFiles(directory, cell), np.random.default_rng(number)
    losses = np.exp(-np.arange(EPOCHS) / 3) * (1 + 0.1 * number) + 0.01
    curves = {"epoch": np.arange(EPOCHS), "validation_mse": losses, "validation_loss": losses / 9}
    store.write_bytes(stored.curves, pd.DataFrame(curves).to_csv(index=False).encode())
    metrics = {"best_epoch": EPOCHS - 1, "validation_loss": losses[-1] / 9, "validation_mse": losses[-1]}
    store.write_json(stored.pretraining, trained(125.0, metrics))
    images = random.random((8, 3, size, size)).astype(np.float16)
    store.write_npz(stored.reconstructions, images=images, reconstructions=images[:, :, ::-1])
    note = {
        "versions": {"python": "3.11.0"},
        "git": None,
        "device": {"name": "a machine"},
        "seconds": {"pretrain": 3.0, "frozen/fold-1": 4.0},
        "folders": {"pretrain": stored.model.relative_to(directory).as_posix()},
    }
    images_of = {"images": {"test": IMAGES}}
    note |= {"data": data | images_of, "peak_memory_bytes": 2**30, "finished": "2026-01-01T00:00:00+0000"}
    store.write_json(stored.provenance, note)
    rows = [cell.key | {"evaluation": "pretrain", "fold": "", "metric": "validation_mse", "value": losses[-1]}]
    for evaluation in cell.evaluations:
        if not has_folds(evaluation):
            metrics = {"accuracy": 0.3, "nmi": 0.2, "ari": 0.1, "two_domains_accuracy": 0.6}
            store.write_json(stored.measures(evaluation), {"metrics": metrics, "points": IMAGES, "seconds": 2.0})
            clusters = {"assigned": np.arange(IMAGES) % 10, "labels": np.arange(IMAGES) % 10}
            store.write_npz(stored.cluster_embedding, embedding=random.normal(size=(IMAGES, 2)), **clusters)
            if OBJECTIVES[cell.model.objective].kind.reconstructs:
                curve = pd.DataFrame({"epoch": np.arange(EPOCHS), "error": losses, "accuracy": 0.3})
                store.write_bytes(stored.cluster_curve, curve.to_csv(index=False).encode())
            key = cell.key | {"evaluation": evaluation, "fold": ""}
            rows += [key | {"metric": metric, "value": value} for metric, value in metrics.items()]
            continue
        for fold in [*range(1, cell.folds + 1), "ensemble"]:
            if isinstance(fold, int):
                arrays = {"train_losses": 2 - losses, "validation_losses": 2 - losses, "best_epoch": np.array(0)}
                arrays |= {"probabilities": random.dirichlet(np.ones(10), IMAGES), "labels": np.arange(IMAGES) % 10 + 1}
                store.write_npz(stored.fold(evaluation, fold), **arrays, seconds=np.array(4.0))
            for metric, scale in (("top1", 50.0), ("top2", 70.0), ("top4", 90.0), ("loss", 1.4)):
                key = {"evaluation": evaluation, "fold": str(fold), "metric": metric}
                rows.append(cell.key | key | {"value": scale * (1 + random.normal() / 50)})
    return rows


def rewrite_results(directory: Path, results: pd.DataFrame) -> None:
    """Replace a run's results as if the kit had computed them."""
    store.write_bytes(RunFiles(directory).results, results.to_csv(index=False).encode())


def comparison(directory: Path) -> Comparison:
    """Return the comparison of `pse-repro compare` for a run, also if it has no results yet."""
    run = Run.open(directory)
    return compare(run.results, load_expected(run.study.expected), scope=run.scope)


def report(directory: Path) -> "Page":
    """Write a run's report without claims, and return it parsed."""
    path = write_report(Run.open(directory), comparison(directory))
    assert path == directory / "report.html"
    return Page(path.read_text(encoding="utf-8"))


class Page(HTMLParser):
    """A parsed report: tags with attributes, text, and tables as rows of text (one line per element in a cell)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._in_cell = True
        elif self._in_cell:
            self.tables[-1][-1][-1] += "\n"

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_cell:
            self.tables[-1][-1][-1] += data

    def table(self, first: str, *others: str) -> list[list[str]]:
        """Return the rows of the first table whose header begins with these texts."""
        return next(rows[1:] for rows in self.tables if rows[0][: 1 + len(others)] == [first, *others])

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]
