"""Fixtures: a few drawn images, and the setting of a quick bench."""

from pathlib import Path

import pytest

from pse_repro.bench.rows import Setting
from pse_repro.bench.sizes import QUICK
from pse_repro.data.stl10 import open_dataset
from tests.support.tiny import CPU, write_images


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="session")
def setting(images: Path) -> Setting:
    return Setting(open_dataset(images), (CPU,), QUICK)
