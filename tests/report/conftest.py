import pytest

from pse_repro.report import page


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds; who asks for this looks at the tables alone."""
    monkeypatch.setattr(page, "gallery", lambda run, effects: [])
