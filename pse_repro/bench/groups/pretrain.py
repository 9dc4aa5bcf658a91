"""Pre-training steps with PSE at sigma 3: loading, forward, backward, clipping, Adam."""

import itertools
from functools import partial

import torch
from torch import nn

from pse_repro.bench import straightforward as plain
from pse_repro.bench.arithmetic import autoencoder_flops
from pse_repro.bench.rows import UNCAPTURED, Call, Group, Quotient, Row, Setting, ours, ours_uncaptured, straightforward
from pse_repro.config.protocol import load_protocol
from pse_repro.config.study import Model, Recipe
from pse_repro.data.stl10 import Dataset, Split
from pse_repro.errors import NotFitError
from pse_repro.machine.device import Machine
from pse_repro.models import build_autoencoder
from pse_repro.study.cells import length_of
from pse_repro.training.pretrain import Pretraining

SIGMA = 3
NAMES = {"cnn": "CNN", "resnet": "ResNet"}


def group(setting: Setting) -> Group:
    rows = tuple(_row(setting, encoder, size) for encoder, size in setting.sizes.batch.items())
    return Group(rows, tuple(Quotient(f"captured / not: {row.name}", row.name, row.name, UNCAPTURED) for row in rows))


def _row(setting: Setting, encoder: str, size: int) -> Row:
    steps = setting.sizes.steps
    split = first_images(setting.data.unlabeled, (steps + 1) * size)
    build = partial(our_epoch, split=split, encoder=encoder, size=size, steps=steps)
    return Row(
        f"{NAMES[encoder]}, batch of {size}",
        "images",
        steps * size,
        (
            *ours(setting, build),
            *ours_uncaptured(setting, build),
            straightforward(partial(_plain_epoch, setting.plain.device, split, encoder, size, steps)),
        ),
        steps * size * autoencoder_flops(encoder)["train"],
    )


def first_images(split: Split, count: int) -> Split:
    """Return the first `count` images without copying them; raise NotFitError if there are fewer."""
    if count > len(split):
        raise NotFitError(
            f"{len(split):,} unlabelled images; expected at least {count:,}: pass more with --data, or other --rows"
        )
    return Split(split.stored_NCWH[:count], None)


def our_epoch(
    machine: Machine, split: Split, encoder: str, size: int, steps: int, protocol_name: str = "as-released"
) -> Call:
    """Return a call that trains on `steps` batches drawn from the whole split; the other images are held out."""
    share = 1 - steps * size / len(split)
    protocol = load_protocol(protocol_name, {"batch_size": size, "validation_fraction": share})
    data = Dataset("bench", split, split, split, md5={})  # pre-training reads only the unlabelled split
    model = Model(encoder, "pse", SIGMA)
    training = Pretraining(Recipe("bench", model, protocol, length_of(model, protocol, 1), 0), data, machine)
    epochs = itertools.count()
    return lambda: training.train_epoch(next(epochs), lambda _: None)


def _plain_epoch(device: torch.device, split: Split, encoder: str, size: int, steps: int) -> Call:
    settings = load_protocol("as-released").settings
    autoencoder: nn.Module = build_autoencoder(encoder).to(device)
    optimizer = torch.optim.Adam(autoencoder.parameters(), lr=settings.learning_rate)
    batches = plain.loader(plain.Pictures(split, indices=range(steps * size)), size, shuffle=True)
    pse = plain.dense_pse(SIGMA, radius=SIGMA, mass=1 / 3)
    return lambda: plain.pretrain_epoch(autoencoder, batches, optimizer, pse, settings.pretrain_clip_norm, device)
