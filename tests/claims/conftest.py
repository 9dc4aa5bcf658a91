"""Fixtures shared by the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pse_repro.claims import definitions, load_claims


@pytest.fixture
def claims_of_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Claims are read from tmp_path, not from the package."""
    monkeypatch.setattr(definitions, "FOLDER", tmp_path)
    load_claims.cache_clear()
    yield
    load_claims.cache_clear()
