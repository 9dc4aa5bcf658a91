"""Accuracy by sigma: intervals, places and marks, up to a run's stored predictions."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.config.study import Model
from pse_repro.report.pictures.sigma import Accuracy, accuracies, accuracy_interval, places_of, section, sigma_figure
from pse_repro.stats import Interval, paired_difference
from pse_repro.study.address import CellFiles
from pse_repro.study.load import load_study
from pse_repro.study.predictions import Predictions
from pse_repro.study.record import Run
from tests.support.finished_run import forget
from tests.support.panels import assert_not_blank, drawn
from tests.support.stored_run import store_run, study


def accuracy(encoder: str, place: str, top1: float, **changes: float) -> Accuracy:
    interval = Interval(top1, top1 - 1, top1 + 1, 0.95, 1)
    return replace(Accuracy(encoder, place, interval, (top1 - 2, top1 - 3), top1 + 0.5), **changes)


MANY = [accuracy("cnn", "PSE 10", 40), accuracy("cnn", "PSE 3", 39), accuracy("cnn", "MSE", 37)]


@given(st.integers(5, 60), st.integers(1, 59))
def test_one_seeds_interval_is_the_bootstrap_over_images(images: int, hits: int) -> None:
    correct = (np.arange(images) < hits).astype(float)
    fast = accuracy_interval(correct[None])
    random = np.random.default_rng(0)
    slow = paired_difference(correct, np.zeros(images), generator=random, draws=4000)
    assert fast.estimate == pytest.approx(slow.estimate)
    assert fast.low == pytest.approx(slow.low, abs=2 * 100 / images)
    assert fast.high == pytest.approx(slow.high, abs=2 * 100 / images)


def test_several_seeds_make_an_interval_over_seeds_and_images() -> None:
    correct = np.random.default_rng(0).random((3, 200)) < 0.4
    found = accuracy_interval(correct)
    assert found.seeds == 3
    assert found.estimate == pytest.approx(100 * correct.mean())
    assert found == paired_difference(correct, 0 * correct, generator=np.random.default_rng(1))


def test_places_run_from_mse_over_growing_sigma_to_the_rest() -> None:
    panels = {"a": [*MANY, accuracy("cnn", "untrained", 20)], "b": [accuracy("cnn", "PSE 4", 40)]}
    assert places_of(panels) == ["MSE", "PSE 3", "PSE 4", "PSE 10", "untrained"]


def test_places_of_models_with_labels_stand_beside_those_without() -> None:
    names = ["PSE (slow) 3", "MSE (without-test)", "MSE", "PSE 3", "SIMCLR (tuned)"]
    assert places_of({"a": [accuracy("cnn", name, 40) for name in names]}) == [
        "MSE (without-test)",
        "MSE",
        "PSE (slow) 3",
        "PSE 3",
        "SIMCLR (tuned)",
    ]


@pytest.mark.parametrize(
    "points",
    [
        [*MANY, accuracy("resnet", "MSE", 45)],
        [accuracy("cnn", "MSE", 37, slides=math.nan, folds=())],
        [replace(MANY[0], interval=Interval(30, -math.inf, math.inf, 0.95, 1))],
        [accuracy("cnn", "MSE", math.nan), *MANY[:1]],
    ],
    ids=["two encoders", "one model", "no interval", "NaN"],
)
def test_the_figure_shows_every_panel_within_its_edges(points: list[Accuracy]) -> None:
    drawing, figure = drawn(lambda: sigma_figure({"Fine-tuning, as-released": points, "Frozen": points[:1]}))
    assert drawing.kind == "svg"
    assert_not_blank(figure)


def test_whiskers_reach_the_interval_and_rings_the_slides() -> None:
    _, figure = drawn(lambda: sigma_figure({"a": MANY}))
    [axes] = figure.axes
    rings = sorted(float(line.get_ydata()[0]) for line in axes.lines if line.get_markersize() == 7)
    assert rings == [37.5, 39.5, 40.5]
    whiskers = sorted(tuple(path.vertices[:, 1]) for bars in axes.collections for path in bars.get_paths())
    assert whiskers == [(36, 38), (38, 40), (39, 41)]


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_runs_ensembles_are_judged_on_its_predictions(tmp_path: Path, seeds: int) -> None:
    store_run(tmp_path, study(models=(*study().models, Model("resnet", "mse"))), seeds)
    run = Run.open(tmp_path)
    found, images = accuracies(run)
    assert list(found) == ["Fine-tuning, as-released", "Frozen features, as-released"]
    assert images == 20
    stored = Predictions(run)
    for name, evaluation in zip(found, ("finetune", "frozen"), strict=True):
        for point, model in zip(found[name], ("cnn-mse", "cnn-pse-3", "resnet-mse"), strict=True):
            correct = [stored.correct("as-released", model, evaluation, seed).ensemble_N for seed in range(seeds)]
            assert point.interval.estimate == pytest.approx(100 * np.mean(correct))
            assert len(point.folds) == 2 * seeds
    assert [point.slides for point in found["Fine-tuning, as-released"]] == [48.96, 51.26, 54.4]
    [made] = section(run)
    assert "n = 20 test images of stl10" in made.pictures[0].caption
    assert ("one seed" in made.pictures[0].caption) == (seeds == 1)


def test_a_missing_fold_leaves_its_model_out_and_nothing_at_all_the_section(tmp_path: Path) -> None:
    cells = store_run(tmp_path, study())
    forget(CellFiles(tmp_path, cells[1]).fold("frozen", 2))
    found, _ = accuracies(Run.open(tmp_path))
    assert [point.place for point in found["Frozen features, as-released"]] == ["MSE"]
    for path in tmp_path.rglob("fold-*.npz"):
        forget(path)
    assert section(Run.open(tmp_path)) == []


def test_many_protocols_are_told_and_not_drawn(tmp_path: Path) -> None:
    names = ("as-released", "as-described", *(f"as-released+{number}" for number in (7, 8, 9)))
    store_run(tmp_path, replace(study(), protocols=names, models=load_study("full").models[:2]))
    [made] = section(Run.open(tmp_path))
    assert made.words.endswith("Not pictured: 1 more protocol.")
    assert "as-released+9" not in made.pictures[0].alt
