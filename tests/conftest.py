"""Configuration and fixtures of all tests: deterministic property tests, and real images if available."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings

from pse_repro.data.fetch import get, stream
from tests.support.pytorch_settings import settings_put_back
from tests.support.shortened import few_draws, no_pictures
from tests.support.tiny import tiny_models

__all__ = ["few_draws", "no_pictures", "settings_put_back", "tiny_models"]

for _variable in ("GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS"):  # Typer reads them on import and would colour its help
    os.environ.pop(_variable, None)

# The same examples in every run, so that a new failure is caused by the code and not by the draw.
settings.register_profile("deterministic", derandomize=True, deadline=None)
settings.load_profile("deterministic")


@pytest.fixture(scope="session")
def real_images() -> Path:
    """Folder of PSE_REPRO_TEST_DATA with `stl10-fragments` and `imagenet96`, each containing stl10_binary."""
    folder = os.environ.get("PSE_REPRO_TEST_DATA")
    if not folder:
        pytest.skip("PSE_REPRO_TEST_DATA is unset; it names a folder of real images in STL-10's layout")
    return Path(folder)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Isolate tests from the user's settings and images, and from the network."""
    for variable in list(os.environ):
        if variable.startswith("PSE_REPRO_") and variable != "PSE_REPRO_TEST_DATA":
            monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data-home"))
    nowhere = replace(get.STL10, where="http://127.0.0.1:1/stl10_binary.tar.gz")
    monkeypatch.setattr(get, "STL10", nowhere)
    monkeypatch.setattr(stream, "BACKOFF_SECONDS", 0.01)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run quick tests first: those that start processes come last."""
    items.sort(key=lambda item: "end_to_end" in item.path.parts)
