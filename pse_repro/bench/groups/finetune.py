"""Fine-tuning: one epoch of five folds, including validation and test, as released and as described."""

import copy
from functools import partial

import torch
from torch import nn

from pse_repro.bench import straightforward as plain
from pse_repro.bench.arithmetic import encoder_flops
from pse_repro.bench.groups.downstream import new_classifier, plain_fold, run_folds
from pse_repro.bench.groups.pretrain import NAMES
from pse_repro.bench.rows import (
    JOINTLY,
    Call,
    Group,
    Row,
    Setting,
    loop_over_joint,
    ours,
    ours_jointly,
    straightforward,
)
from pse_repro.config.protocol import Protocol, load_protocol
from pse_repro.config.study import Subset
from pse_repro.data.folds import folds
from pse_repro.data.stl10 import Dataset
from pse_repro.evaluation.base import Setup
from pse_repro.evaluation.downstream import Downstream
from pse_repro.machine.device import Machine
from pse_repro.models import build_encoder


def group(setting: Setting) -> Group:
    rows = tuple(
        _row(setting, encoder, protocol_name)
        for encoder in setting.sizes.finetuned
        for protocol_name in ("as-released", "as-described")
    )
    joint = (row.name for row in rows if any(form.name == JOINTLY for form in row.forms))
    return Group(rows, tuple(map(loop_over_joint, joint)))


def _row(setting: Setting, encoder: str, protocol_name: str) -> Row:
    sizes = setting.sizes
    protocol = load_protocol(protocol_name, {"batch_size": sizes.downstream_batch, "downstream_max_epochs": 1})
    data = setting.data.subset(Subset(train=sizes.labelled, test=sizes.tested))
    count = protocol.settings.folds
    trained, read = (count - 1) * len(data.train), len(data.train) + count * len(data.test)
    flops = encoder_flops(encoder)
    whole = protocol.switches.finetuning == "whole-encoder"  # whose folds cannot share an encoder
    cost = flops["train"] if whole else flops["forward"]
    build = partial(our_folds, data=data, encoder_name=encoder, protocol=protocol, count=count)
    return Row(
        f"{NAMES[encoder]}, {protocol_name}, one epoch of {count} folds",
        "images",
        trained + read,
        (
            *ours(setting, build),
            *(() if whole else ours_jointly(setting, build)),
            straightforward(partial(_plain_folds, setting.plain.device, data, encoder, protocol)),
        ),
        trained * cost + read * flops["forward"],
    )


def our_folds(machine: Machine, data: Dataset, encoder_name: str, protocol: Protocol, count: int) -> Call:
    """Return a call that runs the kit's first `count` folds, from an untrained encoder."""
    encoder = build_encoder(encoder_name).to(machine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    downstream = Downstream(Setup("bench/finetune", encoder_name, protocol, data, machine), frozen=False)
    return lambda: run_folds(downstream, range(1, count + 1), lambda: copy.deepcopy(encoder))


def _plain_folds(device: torch.device, data: Dataset, encoder_name: str, protocol: Protocol) -> Call:
    encoder: nn.Module = build_encoder(encoder_name).to(device)
    size = protocol.settings.batch_size
    test = plain.loader(plain.Pictures(data.test), size)

    def fold(train: list[int], validation: list[int]) -> object:
        loaders = (
            plain.loader(plain.Pictures(data.train, plain.HIGH, train), size, shuffle=True),
            plain.loader(plain.Pictures(data.train, indices=validation), size),
            test,
        )
        return plain_fold(copy.deepcopy(encoder), new_classifier(protocol, encoder_name), loaders, protocol, device)

    splits = folds(data.train.stored_labels, protocol.settings.folds)
    return lambda: [fold(train.tolist(), validation.tolist()) for train, validation in splits]
