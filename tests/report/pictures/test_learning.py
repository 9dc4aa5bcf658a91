"""Learning curves: the values read, the cells with a slides' value, and figures of any length."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pse_repro.config.study import Model
from pse_repro.expected import load_expected
from pse_repro.report.pictures.learning import (
    Curve,
    Panel,
    classifiers_figure,
    own_tasks_figure,
    pretraining_figure,
    section,
    slides_curves,
)
from pse_repro.study import store
from pse_repro.study.address import CellFiles
from pse_repro.study.load import load_study
from pse_repro.study.record import Run
from tests.support.finished_run import forget
from tests.support.panels import assert_not_blank, drawn
from tests.support.stored_run import EPOCHS, store_run, study


def curve(epochs: int, scale: float = 1.0) -> Curve:
    values = scale * (0.01 + np.exp(-np.arange(epochs) / 20))
    return Curve(values, epochs - 1, values * 0.9)


def test_the_slides_curves_are_those_of_the_seven_rows() -> None:
    frame = slides_curves()
    rows = load_expected("slides").frame[["encoder", "objective", "sigma"]].drop_duplicates()
    assert len(frame.merge(rows)) == len(frame) == 2 * len(rows) == 14
    assert frame["value"].between(1e-4, 1e-2).all()
    assert (frame["first_epoch"] <= frame["last_epoch"]).all()
    by_metric = frame.pivot(index=["encoder", "objective", "sigma"], columns="metric", values="value")
    is_mse = by_metric.index.get_level_values("objective") == "mse"
    assert (by_metric["validation_loss"] == by_metric["validation_mse"]).eq(is_mse).all()
    assert frame["source"].str.startswith("slides").all()


@pytest.mark.parametrize(("models", "epochs"), [(1, 200), (3, 2)])
def test_curves_of_any_length_are_seen(epochs: int, models: int) -> None:
    pairs = [
        (Panel(f"CNN-PSE-{n}\nMSE", [curve(epochs)], 0.02), Panel("PSE", [curve(epochs, 0.1)])) for n in range(models)
    ]
    drawing, figure = drawn(lambda: pretraining_figure(pairs))
    assert drawing.kind == "svg"
    assert len(figure.axes) == 2 * models
    assert_not_blank(figure)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["validation", "training", "kept epoch", "slides, lowest"]


def test_values_that_are_not_finite_and_losses_without_curves_are_no_error() -> None:
    broken = Curve(np.array([0.5, np.nan, 0.3]), 2)
    _, figure = drawn(lambda: pretraining_figure([(Panel("MSE", [broken]), Panel("PSE", []))]))
    assert_not_blank(figure)


def test_classifiers_have_a_line_a_fold_and_a_mark_at_the_kept_epoch() -> None:
    panels = {
        "Frozen": {"CNN-MSE": [curve(9), curve(5)], "CNN-PSE-3": [curve(1)]},
        "Fine-tuning": {"CNN-MSE": [curve(3)]},
    }
    _, figure = drawn(lambda: classifiers_figure(panels))
    assert_not_blank(figure)
    lines = figure.axes[0].lines
    assert [len(np.atleast_1d(line.get_ydata())) for line in lines] == [9, 5, 1]
    assert [line.get_markevery() for line in lines] == [[8], [4], [0]]


def test_a_runs_curves_stand_beside_the_slides_where_the_kernel_is_theirs(tmp_path: Path) -> None:
    cells = store_run(tmp_path, replace(study(), protocols=("as-released", "as-described")), seeds=2)
    losses = np.linspace(0.03, 0.01, EPOCHS)
    frame = pd.DataFrame(
        {"epoch": range(EPOCHS), "train_loss": losses, "validation_loss": losses / 9, "validation_mse": losses}
    )
    store.write_bytes(CellFiles(tmp_path, cells[1]).curves, frame.to_csv(index=False).encode())
    [made] = section(Run.open(tmp_path))
    names = [picture.name for picture in made.pictures]
    assert names == [f"{kind}-{protocol}.svg" for kind in ("pretraining", "classifiers") for protocol in
                     ("as-released", "as-described")]  # fmt: skip
    released, described = (picture.alt for picture in made.pictures[:2])
    assert "CNN-MSE, MSE" in released
    assert "(slides 0.0081)" in released
    assert "CNN-PSE-3, PSE 3 0.00111 (slides 0.00058)" in released
    assert "(slides 0.00058)" not in described
    assert "a line each for 2 seeds" in made.pictures[0].caption
    assert "as released" in made.pictures[0].caption


def test_many_models_are_capped_and_told(tmp_path: Path) -> None:
    models = tuple(replace(load_study("full").models[1], sigma=float(sigma)) for sigma in range(1, 11))
    store_run(tmp_path, replace(study(), models=models, folds=1))
    [made] = section(Run.open(tmp_path))
    assert made.words == "Not pictured: 2 more models."
    assert "n = 8 models" in made.pictures[0].caption


def test_objectives_that_give_no_images_back_have_a_picture_of_their_own(tmp_path: Path) -> None:
    models = (Model("cnn", "mse"), Model("cnn", "rotation"), Model("cnn", "simclr"))
    store_run(tmp_path, study(models=models, evaluations=("knn",)), seeds=2)
    [made] = section(Run.open(tmp_path))
    assert [picture.name for picture in made.pictures] == ["pretraining-as-released.svg", "own-tasks-as-released.svg"]
    pretraining, own = made.pictures
    assert "CNN-MSE" in pretraining.alt
    assert "ROTATION" not in pretraining.alt
    # of the seed that is lower at the kept epoch, the last: the first (cells 1 and 2 of six)
    rotation, simclr = ((np.exp(-4 / 3) * (1 + 0.1 * number) + 0.01) / 9 for number in (1, 2))
    assert own.alt == (
        f"Own validation losses at the kept epoch, as-released: CNN-ROTATION {rotation:.3g}; CNN-SIMCLR {simclr:.3g}."
    )
    assert own.caption.endswith("n = 2 models, a line each for 2 seeds; protocol as-released; data: stl10.")


def test_own_losses_have_a_panel_a_model_each_on_its_own_axis() -> None:
    panels = [Panel(f"CNN-{n}", [curve(5, 10.0**n), curve(5, 2 * 10.0**n)]) for n in range(5)]
    drawing, figure = drawn(lambda: own_tasks_figure(panels))
    assert drawing.kind == "svg"
    assert_not_blank(figure)
    assert [axes.get_title() for axes in figure.axes] == [panel.title for panel in panels]
    highest = [axes.get_ylim()[1] for axes in figure.axes]
    assert all(later > 5 * earlier for earlier, later in pairwise(highest))
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "", "", "", "loss"]  # first of each row of four
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["validation", "training", "kept epoch"]  # no slides' value: they have none


def test_a_run_without_autoencoders_has_the_own_losses_alone(tmp_path: Path) -> None:
    store_run(tmp_path, study(models=(Model("cnn", "jigsaw"),), evaluations=("knn",), folds=1))
    [made] = section(Run.open(tmp_path))
    assert [picture.name for picture in made.pictures] == ["own-tasks-as-released.svg"]


def test_a_run_of_nothing_has_no_curves(tmp_path: Path) -> None:
    for path in [CellFiles(tmp_path, cell).model for cell in store_run(tmp_path, study())]:
        forget(path / "curves.csv")
        for fold in path.rglob("fold-*.npz"):
            forget(fold)
    assert section(Run.open(tmp_path)) == []
