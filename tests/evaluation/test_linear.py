"""Linear evaluation, against plain scikit-learn and on features with a known answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pse_repro.evaluation import linear
from pse_repro.evaluation.linear import STRENGTHS, best_classifier, linear_probe, moments
from pse_repro.evaluation.scores import cross_entropies, scores

Part = tuple[np.ndarray, np.ndarray]


def drawn(count: int, seed: int, classes: int = 10, scale: float = 1.0, separation: float = 1.0) -> Part:
    """Return features (N, 20) around one centre per class, and labels 0..9; centres do not depend on the seed."""
    centres = separation * np.random.default_rng(7).normal(size=(10, 20))
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return scale * (centres[labels] + rng.normal(size=(count, 20))), labels


def test_it_is_what_scikit_learn_gives_when_used_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "STRENGTHS", (1e-3, 1e-2, 1e-1))
    (train, train_labels), (validation, validation_labels), (test, _) = (drawn(n, n) for n in (200, 100, 50))
    models = [
        make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=5000, tol=1e-8)).fit(train, train_labels)
        for C in (1e-3, 1e-2, 1e-1)
    ]
    losses = [cross_entropies(model.predict_proba(validation), validation_labels).mean() for model in models]
    found = linear_probe(train, train_labels, validation, validation_labels, test)
    assert found.strength == (1e-3, 1e-2, 1e-1)[int(np.argmin(losses))]
    assert found.validation_loss == pytest.approx(min(losses), abs=5e-3)  # it stops at a gradient of 1e-4
    np.testing.assert_allclose(
        found.probabilities_NK, models[int(np.argmin(losses))].predict_proba(test), rtol=0, atol=5e-3
    )


def test_noise_is_regularised_more_than_what_can_be_told() -> None:
    noisy, clear = (
        linear_probe(*drawn(200, 1, separation=s), *drawn(100, 2, separation=s), drawn(50, 3)[0]) for s in (0.05, 3.0)
    )
    assert noisy.strength < clear.strength
    assert noisy.validation_loss == pytest.approx(np.log(10), abs=0.1)
    assert clear.validation_loss < 0.05


def test_separate_classes_are_told_apart() -> None:
    test, test_labels = drawn(100, 3, separation=3.0)
    found = linear_probe(*drawn(200, 1, separation=3.0), *drawn(100, 2, separation=3.0), test)
    assert scores(found.probabilities_NK, test_labels)["top1"] > 95


@given(scale=st.floats(1e-4, 1e4), shift=st.floats(-10, 10))
@settings(max_examples=8)
def test_the_unit_of_a_feature_does_not_matter(scale: float, shift: float) -> None:
    parts = [drawn(n, n) for n in (60, 30, 20)]

    def probe(scale: float, shift: float) -> np.ndarray:
        (train, a), (validation, b), (test, _) = ((scale * (features + shift), labels) for features, labels in parts)
        return linear_probe(train, a, validation, b, test).probabilities_NK

    np.testing.assert_allclose(probe(scale, shift), probe(1, 0), atol=1e-4)


def test_a_class_that_is_not_trained_on_has_probability_zero() -> None:
    validation, labels = drawn(50, 2)
    found = linear_probe(*drawn(60, 1, classes=6), validation, labels, drawn(20, 3)[0])
    assert found.probabilities_NK.shape == (20, 10)
    assert (found.probabilities_NK[:, 6:] == 0).all()
    np.testing.assert_allclose(found.probabilities_NK.sum(1), 1)


def test_features_that_never_change_say_nothing() -> None:
    """With a collapsed encoder, the probabilities are the class shares of the training part."""
    labels = np.arange(100) % 10
    alike = np.full((100, 8), 0.1, np.float32)
    found = linear_probe(alike, labels, alike, labels, alike[:5])
    np.testing.assert_allclose(found.probabilities_NK, 0.1, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_a_feature_that_never_changes_has_deviation_one(value: float) -> None:
    mean_D, deviation_D = moments(np.full((1000, 3), value, np.float32))
    np.testing.assert_allclose(mean_D, value)
    assert (deviation_D == 1).all()


def test_moments_are_of_float64() -> None:
    features = np.random.default_rng(0).normal(3, 2, (500, 4)).astype(np.float32)
    mean_D, deviation_D = moments(features)
    assert mean_D.dtype == deviation_D.dtype == np.float64
    np.testing.assert_allclose(mean_D, features.astype(np.float64).mean(0))
    np.testing.assert_allclose(deviation_D, features.astype(np.float64).std(0))


def test_the_first_of_equally_good_strengths_is_kept() -> None:
    zeros, labels = np.zeros((20, 2)), np.arange(20) % 10
    assert best_classifier(zeros, labels, zeros, labels, zeros, STRENGTHS).strength == STRENGTHS[0]


def test_numbers_that_are_not_finite_are_refused() -> None:
    (train, labels), test = drawn(60, 1), drawn(20, 3)[0]
    train[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        linear_probe(train, labels, *drawn(30, 2), test)
