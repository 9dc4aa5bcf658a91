"""The baselines, against plain scikit-learn, on drawn and on real images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from pse_repro.config.study import Subset
from pse_repro.data.folds import folds
from pse_repro.data.stl10 import Dataset, Split, open_dataset
from pse_repro.evaluation import baselines
from pse_repro.evaluation.baselines import BASELINES, Baseline
from pse_repro.evaluation.scores import cross_entropies, scores
from tests.support.tiny import dataset


@pytest.fixture(autouse=True)
def _until_converged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "STRENGTHS", (1e-3, 1e-2))


def small(data: Dataset) -> Dataset:
    """Keep every fourth pixel: still more pixels than images, and the plain fit is fast."""
    splits = {name: getattr(data, name) for name in ("unlabeled", "train", "test")}
    return replace(data, **{name: Split(of.stored_NCWH[..., ::4, ::4], of.labels) for name, of in splits.items()})


@pytest.mark.parametrize("name", BASELINES)
def test_a_fold_is_what_scikit_learn_gives_when_used_plainly(name: str) -> None:
    data = small(dataset(unlabeled=1, train=60, test=20))
    labels = data.train.stored_labels.astype(int) - 1
    train, validation = folds(data.train.stored_labels, 3)[1]
    pixels = [part.reshape(len(part), -1) / 255.0 for part in (data.train.stored_NCWH, data.test.stored_NCWH)]
    inputs = [pixels[0][train], pixels[0][validation], pixels[1]]
    if name == "pca":
        inputs = [PCA(40, svd_solver="full").fit(inputs[0]).transform(part) for part in inputs]
    else:
        inputs = [part - pixels[0][train].mean(0) for part in inputs]
    models = [LogisticRegression(C=C, max_iter=5000, tol=1e-8).fit(inputs[0], labels[train]) for C in (1e-3, 1e-2)]
    losses = [cross_entropies(model.predict_proba(inputs[1]), labels[validation]).mean() for model in models]
    best = models[int(np.argmin(losses))]
    found = Baseline(name, data, 3, "as-text").fold(2)
    assert found.strength == best.C
    assert found.validation_loss == pytest.approx(min(losses), abs=5e-3)  # it stops at a gradient of 1e-4
    np.testing.assert_allclose(found.probabilities_NK, best.predict_proba(inputs[2]), atol=5e-3)


def test_a_class_that_is_not_trained_on_has_probability_zero() -> None:
    data = dataset(unlabeled=1, train=20, test=10)
    data.train.stored_labels[:] = np.where(data.train.stored_labels > 5, 2, data.train.stored_labels)
    found = Baseline("pca", data, 2, "as-stored").fold(1)
    assert (found.probabilities_NK[:, 5:] == 0).all()
    np.testing.assert_allclose(found.probabilities_NK.sum(1), 1)


@pytest.mark.parametrize("name", BASELINES)
def test_on_photographs_it_is_far_above_chance(name: str, real_images: Path) -> None:
    data = open_dataset(real_images / "imagenet96").subset(Subset(unlabeled=1, train=500, test=500))
    found = Baseline(name, data, 5, "as-text").fold(1)
    assert scores(found.probabilities_NK, data.test.stored_labels.astype(int) - 1)["top1"] > 22  # chance is 10 %


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", BASELINES)
def test_equal_images_give_the_shares_of_the_classes_without_a_warning(name: str) -> None:
    data = dataset(train=50, test=3)
    black = replace(data.train, stored_NCWH=np.zeros_like(data.train.stored_NCWH))
    probabilities_NK = Baseline(name, replace(data, train=black), 5, "as-stored").fold(1).probabilities_NK
    train, _ = folds(data.train.stored_labels, 5, "as-stored")[0]
    shares = np.bincount(data.train.targets[train], minlength=10) / len(train)
    np.testing.assert_allclose(probabilities_NK, [shares] * 3, atol=1e-3)
