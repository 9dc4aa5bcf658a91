"""Fixtures that seed every test separately, and of pictures with and without large areas of similar colours."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pse_repro.data.batches import Images
from pse_repro.data.stl10 import open_dataset
from pse_repro.seeding import seeded
from tests.support.augment_images import noise, smooth
from tests.support.pillow_steps import on_levels


@pytest.fixture(autouse=True)
def _seeded(request: pytest.FixtureRequest) -> Iterator[None]:
    with seeded("test_augment", request.node.name):
        yield


@pytest.fixture(scope="session", params=["generated", "real"])
def pictures(request: pytest.FixtureRequest) -> Tensor:
    """48 images (N, 3, 96, 96) on whole levels of 255, photographs if there are any."""
    if request.param == "generated":
        return torch.cat([smooth(36), on_levels(noise(12))])
    folder: Path = request.getfixturevalue("real_images")
    split = open_dataset(folder / "imagenet96").train.evenly(48)
    return Images(split, torch.device("cpu"))[torch.arange(48)].contiguous()
