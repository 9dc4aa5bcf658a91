"""Classifiers of five folds on cached features: one after another, ours also jointly."""

from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from pse_repro.bench import straightforward as plain
from pse_repro.bench.arithmetic import classifier_flops
from pse_repro.bench.groups.downstream import new_classifier, plain_fold, run_folds
from pse_repro.bench.rows import Call, Group, Row, Setting, loop_over_joint, ours, ours_jointly, straightforward
from pse_repro.config.protocol import Protocol, load_protocol
from pse_repro.config.study import Subset
from pse_repro.data.augment.steps import Augmentation
from pse_repro.data.batches import Images
from pse_repro.data.folds import folds
from pse_repro.data.stl10 import Dataset
from pse_repro.evaluation.base import Setup
from pse_repro.evaluation.downstream import Downstream
from pse_repro.machine.device import Machine
from pse_repro.models import ENCODERS

ENCODER = "cnn"


class OnCachedFeatures(Downstream):
    """The evaluation `frozen` on given features: n images get the first n rows of `table_ND`."""

    def __init__(self, table_ND: Tensor, protocol: Protocol, data: Dataset, machine: Machine) -> None:
        super().__init__(Setup("bench/frozen", ENCODER, protocol, data, machine), frozen=True)
        self.table_ND = table_ND.to(machine.device)

    def features(self, encoder: nn.Module, images: Images, augment: Augmentation | None = None) -> Tensor:
        return self.table_ND[: len(images)]


def group(setting: Setting) -> Group:
    sizes = setting.sizes
    overrides = {"batch_size": sizes.downstream_batch, "downstream_max_epochs": sizes.head_epochs}
    protocol = load_protocol("as-released", overrides)
    data = setting.data.subset(Subset(train=sizes.head_images, test=sizes.tested))
    count, epochs = protocol.settings.folds, sizes.head_epochs
    trained, read = epochs * (count - 1) * len(data.train), epochs * len(data.train) + count * len(data.test)
    flops = classifier_flops(protocol.switches.classifier, ENCODER)
    build = partial(_ours, protocol=protocol, data=data)
    forms = (
        *ours(setting, build),
        *ours_jointly(setting, build),
        straightforward(partial(_plain, setting.plain.device, protocol, data)),
    )
    cost = trained * flops["train"] + read * flops["forward"]
    row = Row(f"heads of {count} folds, {epochs} epochs", "images", trained + read, forms, cost)
    return Group((row,), (loop_over_joint(row.name),))


def table_of(data: Dataset) -> Tensor:
    """Return random features (N, D), enough for the larger of the two splits."""
    return torch.randn(max(len(data.train), len(data.test)), ENCODERS[ENCODER].latent_size)


def _ours(machine: Machine, protocol: Protocol, data: Dataset) -> Call:
    downstream = OnCachedFeatures(table_of(data), protocol, data, machine)
    return lambda: run_folds(downstream, range(1, protocol.settings.folds + 1), nn.Identity)


def _plain(device: torch.device, protocol: Protocol, data: Dataset) -> Call:
    table_ND, size = table_of(data), protocol.settings.batch_size
    labels, tested = (torch.from_numpy(split.targets) for split in (data.train, data.test))

    def fold(train: Tensor, validation: Tensor) -> object:
        loaders = (
            plain.loader(TensorDataset(table_ND[: len(train)], labels[train]), size, shuffle=True),
            plain.loader(TensorDataset(table_ND[: len(validation)], labels[validation]), size),
            plain.loader(TensorDataset(table_ND[: len(tested)], tested), size),
        )
        return plain_fold(nn.Identity(), new_classifier(protocol, ENCODER), loaders, protocol, device)

    splits = folds(data.train.stored_labels, protocol.settings.folds)
    return lambda: [fold(torch.from_numpy(train), torch.from_numpy(validation)) for train, validation in splits]
