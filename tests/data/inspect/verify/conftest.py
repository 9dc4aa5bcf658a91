"""Fixtures: folders of the kit's own images, optionally treated as STL-10."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from pse_repro.data.folds import folds
from pse_repro.data.inspect import render as render_module
from pse_repro.data.inspect import verify as verify_module
from tests.support.checking import IMAGES, NAMES
from tests.support.tiny import write_images


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("drawn"), **IMAGES)


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> Path:
    """Return a folder of the kit's own images."""
    return Path(shutil.copytree(drawn, tmp_path / "images")) / "stl10_binary"


@pytest.fixture
def official(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the same folder, treated as STL-10."""
    md5 = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in NAMES}
    parts = folds(np.fromfile(folder / "train_y.bin", np.uint8))
    patches = {
        "OFFICIAL_MD5": md5,
        "OFFICIAL_IMAGES": IMAGES,
        "OFFICIAL_PER_CLASS": {"train": 5, "test": 4},
        "RELEASED_FIRST": tuple(int(validation[0]) for _, validation in parts),
        "RELEASED_SIZES": ((40, 10),) * 5,
    }
    for module in (verify_module, render_module):
        for name, value in patches.items():
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    return folder
