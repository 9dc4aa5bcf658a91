"""A small autoencoder and a few drawn images, so that training takes seconds."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pse_repro import models
from pse_repro.config.protocol import Protocol, load_protocol
from pse_repro.config.study import Model
from pse_repro.data.sample.embedded import draw_split, write_sample
from pse_repro.data.stl10 import Dataset, Split
from pse_repro.machine.device import Machine
from pse_repro.objectives import OBJECTIVES, Setup, barlow_twins, byol, lejepa, simsiam, vicreg
from pse_repro.progress.stages import Progress
from pse_repro.run.context import RunContext
from pse_repro.study.cells import Cell

CPU = Machine(torch.device("cpu"), "fp32")


class TinyAutoencoder(models.Autoencoder):
    """An autoencoder with the study's interface and 5,000 parameters; its encoder has BatchNorm, too."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.latent_size = 16
        self.encoder = tiny_encoder()
        enlarge = (nn.Unflatten(1, (3, 12, 12)), nn.Upsample(scale_factor=8), nn.Sigmoid())
        self.decoder = nn.Sequential(nn.Linear(16, 3 * 12 * 12), *enlarge)


def tiny_encoder() -> nn.Module:
    pooled = (nn.BatchNorm2d(8), nn.LeakyReLU(0.2), models.AverageTo(4))
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), *pooled, nn.Flatten(), nn.Linear(128, 16))


@pytest.fixture
def tiny_models(monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny(monkeypatch)


def make_tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the encoder "cnn" and its autoencoder by the tiny ones; heads of 1,024 values get 64."""
    monkeypatch.setattr("pse_repro.objectives.shared.reconstruction.build_autoencoder", lambda _: TinyAutoencoder())
    monkeypatch.setitem(models.ENCODERS, "cnn", models.Encoder(tiny_encoder, 16))
    for wide in (barlow_twins, byol, lejepa, simsiam, vicreg):
        monkeypatch.setattr(wide, "WIDTH", 64)


def setup(objective_name: str = "cell", encoder: str = "cnn", sigma: float | None = None) -> Setup:
    """Return the setup of an objective as released, with 60 drawn images, 51 of them for training."""
    switches = load_protocol("as-released").switches
    return Setup(objective_name, encoder, sigma, switches, dataset(), CPU.device, train_images=51, batch_size=8)


def sigma_of(objective: str) -> float | None:
    """Return a sigma of 3 pixels for objectives that need one, else None."""
    try:
        OBJECTIVES[objective].kind.check(None)
    except ValueError:
        return 3.0
    return None


def dataset(unlabeled: int = 60, train: int = 50, test: int = 40) -> Dataset:
    """Return drawn images named like the embedded sample; the caller may change them."""
    splits = {}
    for split, count in (("unlabeled", unlabeled), ("train", train), ("test", test)):
        stored_NCWH, labels = _drawn(split, count)
        splits[split] = Split(stored_NCWH.copy(), None if split == "unlabeled" else labels.copy())
    return Dataset("embedded-sample", **splits, md5={})


@cache
def _drawn(split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images as stored and labels 1..10; cached, as drawing takes more than a millisecond per image."""
    images_NCHW, labels = draw_split(split, count)
    return np.ascontiguousarray(images_NCHW.transpose(0, 1, 3, 2)), labels


def write_images(folder: Path, unlabeled: int = 60, train: int = 50, test: int = 40) -> Path:
    """Write the images of `dataset` in STL-10's layout and return the path."""
    return write_sample(folder, counts={"unlabeled": unlabeled, "train": train, "test": test})


def context(folder: Path, data: Dataset | None = None, **others: Any) -> RunContext:
    """Return the context of a run in `folder`: tiny images, the CPU, no progress shown."""
    return RunContext(folder, data or dataset(), CPU, **{"progress": Progress(quiet=True)} | others)


def protocol(name: str = "as-released", switches: dict[str, object] | None = None, **settings: object) -> Protocol:
    """Return a protocol with small batches and short training, unless other settings and switches are given."""
    short: dict[str, object] = {"batch_size": 8, "downstream_max_epochs": 3, "learning_rate": 1e-3}
    loaded = load_protocol(name, short | settings)
    return replace(loaded, switches=replace(loaded.switches, **(switches or {})))  # type: ignore[arg-type]


def cell(
    objective: str = "mse", sigma: float | None = None, epochs: int = 2, folds: int = 2, under: Protocol | None = None
) -> Cell:
    return Cell(under or protocol(), Model("cnn", objective, sigma), 0, epochs, ("finetune", "frozen"), folds)
