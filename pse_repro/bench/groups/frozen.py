"""Frozen features, each image normalised by its own statistics (switch 8): our batches against single images."""

from functools import partial

import torch
from torch import nn

from pse_repro.bench import straightforward as plain
from pse_repro.bench.arithmetic import encoder_flops
from pse_repro.bench.groups.pretrain import NAMES
from pse_repro.bench.rows import Call, Group, Row, Setting, ours, straightforward
from pse_repro.config.protocol import load_protocol
from pse_repro.config.study import Subset
from pse_repro.data.stl10 import Dataset
from pse_repro.evaluation.base import Setup
from pse_repro.evaluation.downstream import Downstream
from pse_repro.machine.device import Machine
from pse_repro.models import build_encoder


def group(setting: Setting) -> Group:
    return Group(tuple(_row(setting, encoder, count) for encoder, count in setting.sizes.features.items()))


def _row(setting: Setting, encoder: str, count: int) -> Row:
    data = setting.data.subset(Subset(test=count))
    build = partial(_ours, data=data, encoder_name=encoder, size=setting.sizes.downstream_batch)
    plain_form = straightforward(partial(_plain, setting.plain.device, data, encoder))
    flops = len(data.test) * encoder_flops(encoder)["forward"]
    return Row(f"{NAMES[encoder]} features", "images", len(data.test), (*ours(setting, build), plain_form), flops)


def _ours(machine: Machine, data: Dataset, encoder_name: str, size: int) -> Call:
    encoder = build_encoder(encoder_name).to(machine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    protocol = load_protocol("as-released", {"batch_size": size})
    downstream = Downstream(Setup("bench/frozen", encoder_name, protocol, data, machine), frozen=True)
    return lambda: downstream.features(encoder.eval(), downstream.test_images)


def _plain(device: torch.device, data: Dataset, encoder_name: str) -> Call:
    encoder: nn.Module = build_encoder(encoder_name).to(device)
    return lambda: plain.features(encoder, plain.Pictures(data.test), device)
