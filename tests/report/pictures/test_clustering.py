"""Reconstruction error against clustering accuracy, from a run's stored files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pse_repro.report.pictures.clustering import ErrorCurve, curves_figure, section
from pse_repro.study import store
from pse_repro.study.address import CellFiles
from pse_repro.study.record import Run
from tests.support.finished_run import forget
from tests.support.panels import assert_not_blank, drawn
from tests.support.stored_run import store_run, study


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Store a run of two models with clusters; the first, an autoencoder, has a curve with unordered rows."""
    for number, cell in enumerate(store_run(tmp_path, study(evaluations=("frozen", "cluster")))):
        folder = CellFiles(tmp_path, cell).evaluation("cluster")
        metrics = {"accuracy": 0.3, "error_rank_correlation": -0.5} if number == 0 else {"accuracy": 0.2}
        store.write_json(folder / "measures.json", {"metrics": metrics, "points": 40, "seconds": 1.0})
        if number == 0:
            rows = {"epoch": [1, 0, 2], "error": [0.02, 0.04, 0.01], "accuracy": [0.7, 0.6, 0.65]}
            store.write_bytes(folder / "curve.csv", pd.DataFrame(rows).to_csv(index=False).encode())
        else:
            forget(folder / "curve.csv")
    return Run.open(tmp_path)


def test_a_picture_shows_the_models_that_have_a_curve(run: Run) -> None:
    (found,) = section(run)
    assert found.title == "Reconstruction error and clusters"
    assert found.words.endswith("do features improve as the reconstruction error falls?")
    (curves,) = found.pictures
    assert curves.name == "error-accuracy-as-released.svg"
    assert curves.alt == "Clustering accuracy over validation MSE: CNN-MSE from 0.60 at 0.04 to 0.65 at 0.01."
    assert "two clusters, animals and vehicles, if the classes are those of STL-10, else ten." in curves.caption
    assert "n = 3 epochs; protocol as-released; data: stl10." in curves.caption


def test_without_a_curve_there_is_no_section(run: Run) -> None:
    for path in run.directory.glob("models/*/*/curve.csv"):
        forget(path)
    assert section(run) == []


def test_curves_of_a_run_that_no_longer_clusters_are_not_shown(run: Run) -> None:
    other = replace(run.study, evaluations=("frozen",))
    assert section(replace(run, study=other)) == []


def test_epochs_are_joined_in_their_order_and_the_ends_are_marked() -> None:
    curve = ErrorCurve(np.array([0.3, 0.2, 0.25]), np.array([0.5, 0.6, 0.55]), -0.98)
    drawing, figure = drawn(lambda: curves_figure({"CNN": curve, "ResNet": replace(curve, rho=None)}))
    assert drawing.kind == "svg"
    assert_not_blank(figure)
    assert [axes.get_title() for axes in figure.axes] == ["CNN\nrank correlation -0.98", "ResNet"]
    joined, first, last = figure.axes[0].lines
    assert list(joined.get_xdata()) == [0.3, 0.2, 0.25]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in (first, last)] == [(0.3, 0.5), (0.25, 0.55)]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["first epoch", "last epoch"]


def test_a_single_epoch_is_seen() -> None:
    _, figure = drawn(lambda: curves_figure({"CNN": ErrorCurve(np.array([0.3]), np.array([0.5]), None)}))
    assert_not_blank(figure)
