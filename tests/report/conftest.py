import pytest

from pse_repro.report import page


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the gallery, which takes seconds to draw, for tests that look only at the tables."""
    monkeypatch.setattr(page, "gallery", lambda run, effects: [])
