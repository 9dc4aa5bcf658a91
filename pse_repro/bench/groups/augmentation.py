"""Loading and augmentation of a batch, and their share of a training step."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torchvision import transforms as T

from pse_repro.bench import straightforward as plain
from pse_repro.bench.groups.finetune import our_folds
from pse_repro.bench.groups.pretrain import first_images, our_epoch
from pse_repro.bench.rows import Call, Group, Quotient, Row, Setting, ours, ours_fp32, straightforward
from pse_repro.config.protocol import load_protocol
from pse_repro.config.study import Subset
from pse_repro.data.augment.steps import Augmentation, downstream_augmentation, pretrain_augmentation
from pse_repro.data.batches import Images
from pse_repro.data.stl10 import Split

LOADING, SMALL, HIGH = "loading", "small augmentation", "high augmentation"
PRETRAINING, FINETUNING = "pre-training step, CNN, as-described", "fine-tuning step, CNN, as-released"
EPOCHS = 4  # epochs of the fine-tuning step's fold, so that its one-time costs weigh little


def group(setting: Setting) -> Group:
    count = setting.sizes.augmented
    split = first_images(setting.data.unlabeled, 2 * count)
    rows = (
        _row(setting, LOADING, partial(_load, setting, split), partial(_load_plainly, split, count)),
        _row(
            setting,
            SMALL,
            partial(_augment, setting, split, pretrain_augmentation("small")),
            partial(_augment_plainly, split, count, plain.SMALL),
        ),
        _row(
            setting,
            HIGH,
            partial(_augment, setting, split, downstream_augmentation("high")),
            partial(_augment_plainly, split, count, plain.HIGH),
        ),
        _pretraining(setting, split),
        _finetuning(setting),
    )
    shares = ((LOADING, PRETRAINING), (SMALL, PRETRAINING), (LOADING, FINETUNING), (HIGH, FINETUNING))
    return Group(rows, tuple(Quotient(f"{part} / {whole}", part, whole) for part, whole in shares))


def _row(setting: Setting, name: str, build: Callable[[], Call], build_plain: Callable[[], Call]) -> Row:
    return Row(name, "images", setting.sizes.augmented, (ours_fp32(build), straightforward(build_plain)))


def _pretraining(setting: Setting, split: Split) -> Row:
    count = setting.sizes.augmented
    build = partial(our_epoch, split=split, encoder="cnn", size=count, steps=1, protocol_name="as-described")
    return Row(PRETRAINING, "images", count, ours(setting, build))


def _finetuning(setting: Setting) -> Row:
    """Return the row of one fold with a single training batch; the few validation and test images are not counted."""
    count = setting.sizes.augmented
    protocol = load_protocol("as-released", {"batch_size": count, "downstream_max_epochs": EPOCHS})
    data = setting.data.subset(Subset(train=count * 5 // 4, test=1))
    build = partial(our_folds, data=data, encoder_name="cnn", protocol=protocol, count=1)
    return Row(FINETUNING, "images", EPOCHS * count, ours(setting, build))


def _batch(setting: Setting, split: Split) -> tuple[Images, Tensor]:
    return Images(split, setting.plain.device), torch.randperm(len(split))[: setting.sizes.augmented]


def _load(setting: Setting, split: Split) -> Call:
    images, positions = _batch(setting, split)
    return lambda: images[positions]


def _load_plainly(split: Split, count: int) -> Call:
    batches = plain.loader(plain.Pictures(split, indices=range(count)), count, shuffle=True)
    return lambda: list(batches)


def _augment(setting: Setting, split: Split, augment: Augmentation | None) -> Call:
    assert augment is not None  # only the kind "none" gives None
    images, positions = _batch(setting, split)
    batch = images[positions]
    return lambda: augment(batch)


def _augment_plainly(split: Split, count: int, transforms: Sequence[Any]) -> Call:
    pictures = plain.Pictures(split)
    decoded = [pictures.picture(position) for position in range(count)]
    transform = T.Compose(transforms)
    return lambda: [transform(picture) for picture in decoded]
