"""Floating-point operations of the networks, and this machine's rate in a large matrix product."""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pse_repro.machine.device import Machine
from pse_repro.models import ENCODERS, Autoencoder, build_autoencoder, build_classifier

REPEATS = 5
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def matrix_rates(machines: Iterable[Machine], side: int) -> dict[str, float]:
    """Return operations per second by precision, in a product of two `side` x `side` matrices: the median of REPEATS.

    On a GPU, float32 uses TF32 if cuDNN's convolutions do (PyTorch's default).
    """
    tf32 = torch.backends.cudnn.allow_tf32
    return {machine.precision: matrix_rate(machine, side, tf32) for machine in machines}


def matrix_rate(machine: Machine, side: int, tf32: bool) -> float:
    """Return operations per second in the machine's precision; `tf32` lets float32 on a GPU use TF32."""
    left, right = torch.rand(2, side, side, device=machine.device).to(_TYPES[machine.precision])
    seconds = []
    with _matrix_precision("high" if tf32 and machine.device.type == "cuda" else "highest"):
        for _ in range(1 + REPEATS):
            machine.synchronize()
            started = time.perf_counter()
            left @ right
            machine.synchronize()
            seconds.append(time.perf_counter() - started)
    return 2 * side**3 / statistics.median(seconds[1:])


@contextmanager
def _matrix_precision(precision: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def autoencoder_flops(encoder: str) -> Mapping[str, int]:
    """Return operations per image in an autoencoder: "forward", and "train" (forward and backward)."""
    return _flops(lambda: build_autoencoder(encoder), 3, 96, 96)


def encoder_flops(encoder: str) -> Mapping[str, int]:
    """Return operations per image in an encoder: "forward", and "train" (forward and backward)."""
    return _flops(ENCODERS[encoder].build, 3, 96, 96)


def classifier_flops(kind: str, encoder: str) -> Mapping[str, int]:
    """Return operations per latent in a classifier: "forward", and "train" (forward and backward)."""
    return _flops(lambda: build_classifier(kind, ENCODERS[encoder].latent_size), ENCODERS[encoder].latent_size)


def _flops(build: Callable[[], nn.Module], *shape: int) -> Mapping[str, int]:
    """Count operations with PyTorch, on tensors without data."""
    with torch.device("meta"):
        network = build()
        inputs = torch.empty(1, *shape)
    network.eval()  # BatchNorm refuses to train on a batch of 1; it is not counted anyway
    with FlopCounterMode(display=False) as forward:
        output = network(inputs)
    with FlopCounterMode(display=False) as backward:
        (output[1] if isinstance(network, Autoencoder) else output).sum().backward()
    return {"forward": forward.get_total_flops(), "train": forward.get_total_flops() + backward.get_total_flops()}
