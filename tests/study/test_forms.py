"""Arrays and tables of another form than the kit stores, in runs whose files no manifest proves."""

from pathlib import Path

import numpy as np
import pytest

from pse_repro.errors import NotFitError
from pse_repro.study import store

FOLD = {"probabilities": np.full((4, 10), 0.1), "labels": np.array([1, 2, 3, 10], np.uint8), "best_epoch": np.array(3)}
WRONG = {
    "best_epoch of three": ({"best_epoch": np.arange(3)}, r"best_epoch has type int64 and shape \(3,\)"),
    "texts": ({"probabilities": np.full((4, 10), "a")}, r"probabilities has type <U1"),
    "another number of images": ({"labels": np.array([1], np.uint8)}, r"probabilities has shape \(4, 10\), labels has"),
    "a label of 0": ({"labels": np.array([0, 1, 2, 3], np.uint8)}, "labels from 1 to 10"),
    "a label that is no whole number": ({"labels": np.array([1.5, 1, 2, 3])}, "labels has type float64"),
    "five classes": ({"probabilities": np.full((4, 5), 0.2)}, "expected probabilities of 10 classes"),
    "no images": ({"probabilities": np.zeros((0, 10)), "labels": np.zeros(0, np.uint8)}, "expected probabilities"),
}


@pytest.mark.parametrize("case", WRONG)
def test_arrays_of_another_form_are_refused_by_name(tmp_path: Path, case: str) -> None:
    changed, said = WRONG[case]
    np.savez(tmp_path / "fold-1.npz", **(FOLD | changed))
    with pytest.raises(NotFitError, match=rf"fold-1\.npz is not what this kit writes: .*{said}"):
        store.read_npz(tmp_path / "fold-1.npz")


def test_an_array_that_is_missing_is_named_when_it_is_asked_for(tmp_path: Path) -> None:
    np.savez(tmp_path / "fold-1.npz", **FOLD)
    found = store.read_npz(tmp_path / "fold-1.npz")
    np.testing.assert_array_equal(found["labels"], FOLD["labels"])
    assert "seconds" not in found
    with pytest.raises(NotFitError, match=r"fold-1\.npz is not what this kit writes: it has no seconds"):
        found["seconds"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("epoch,seconds\n0,1\n", "it has no column validation_loss"),
        ("epoch,validation_loss\n0,low\n", "validation_loss are not numbers"),
        ("", "No columns to parse"),
    ],
)
def test_curves_of_another_form_are_refused_by_name(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "curves.csv").write_text(content)
    with pytest.raises(NotFitError, match=rf"curves\.csv is not a table of this kit \(.*{said}"):
        store.read_csv(tmp_path / "curves.csv")
