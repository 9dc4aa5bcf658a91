"""Confusion matrices: counted as by hand, one panel per model."""

from pathlib import Path

import numpy as np
import pytest

from pse_repro.report.pictures.confusion import confusion_figure, counts, section
from pse_repro.study import store
from pse_repro.study.address import CellFiles
from pse_repro.study.record import Run
from tests.support.finished_run import forget
from tests.support.panels import assert_not_blank, drawn
from tests.support.stored_run import store_run, study

NAMES = ("airplane", "bird", "car")


def test_each_image_counts_once_in_its_classs_row() -> None:
    random = np.random.default_rng(0)
    predicted, labels = random.integers(0, 3, 50), random.integers(0, 3, 50)
    expected = [[((labels == i) & (predicted == j)).sum() for j in range(3)] for i in range(3)]
    np.testing.assert_array_equal(counts(predicted, labels, 3), expected)


@pytest.mark.parametrize("models", [1, 4])
def test_panels_hold_percent_of_the_true_class_on_one_scale(models: int) -> None:
    found = np.array([[8, 2, 0], [1, 1, 2], [0, 0, 0]])  # no image of the last
    drawing, figure = drawn(lambda: confusion_figure({f"model {n}": found for n in range(models)}, NAMES))
    assert drawing.kind == "png"
    assert_not_blank(figure)
    for axes in figure.axes[:models]:
        [image] = axes.images
        np.testing.assert_allclose(np.asarray(image.get_array()), [[80, 20, 0], [25, 25, 50], [0, 0, 0]])
        assert image.get_clim() == (0, 100)
        assert [text.get_text() for text in axes.texts] == ["80", "20", "25", "25", "50"]
        assert axes.get_title().endswith(": 64.29 %")


def test_a_runs_ensembles_are_counted_where_their_folds_are_complete(tmp_path: Path) -> None:
    cells = store_run(tmp_path, study())
    forget(CellFiles(tmp_path, cells[1]).fold("frozen", 2))
    [made] = section(Run.open(tmp_path))
    assert [picture.name for picture in made.pictures] == [
        "confusion-finetune-as-released.png",
        "confusion-frozen-as-released.png",
    ]
    finetune, frozen = (picture.alt for picture in made.pictures)
    assert "CNN-PSE-3: " in finetune
    assert "CNN-PSE-3" not in frozen
    assert "n = 20 test images" in made.pictures[0].caption
    paths = CellFiles(tmp_path, cells[0]).stored_folds("frozen")
    folds = [store.read_npz(path) for path in paths]
    predicted = np.mean([fold["probabilities"] for fold in folds], axis=0).argmax(1)
    wrong = [(true - 1, said) for true, said in zip(folds[0]["labels"], predicted, strict=True) if true - 1 != said]
    most = max(wrong.count(pair) for pair in wrong)
    assert f"({most} times)" in frozen
