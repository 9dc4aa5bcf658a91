"""Fixtures that leave out what takes seconds, for tests that do not look at it."""

import numpy as np
import pytest


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace a report's gallery and a model's t-SNE."""
    monkeypatch.setattr("pse_repro.report.page.gallery", lambda run, effects: [])
    monkeypatch.setattr("pse_repro.run.model_summary.embed", lambda latents_ND, _: np.zeros((len(latents_ND), 2)))


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw a tenth of the bootstrap samples for the interval of a single seed, which decides nothing."""
    monkeypatch.setattr("pse_repro.claims.measure.DRAWS", 200)
