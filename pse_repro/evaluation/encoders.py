"""Encoders held still: the guard that they did not change, and per-image normalisation (switch 8)."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pse_repro.errors import CellError


def fingerprint(encoder: nn.Module, buffers: bool = True) -> str:
    """SHA-256 over names and bytes of all weights, and of all buffers (running statistics) where asked."""
    digest = hashlib.sha256()
    tensors = [*encoder.named_parameters(), *(encoder.named_buffers() if buffers else ())]
    for name, tensor in tensors:
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def held_still(name: str, encoder: nn.Module, buffers: bool = True) -> Iterator[None]:
    """CellError if the encoder's weights (and buffers, where asked) are not the same after the block as before it."""
    before = fingerprint(encoder, buffers)
    yield
    if fingerprint(encoder, buffers) != before:
        what = "weights or buffers" if buffers else "weights"
        raise CellError(f"{name}: the encoder's {what} changed in an evaluation that holds them still; this cell stops")


@contextmanager
def per_image_normalisation(encoder: nn.Module) -> Iterator[None]:
    """Each BatchNorm layer normalises every image by that image's own statistics, with its own weight and bias.

    The same as the released code's way (one image at a time, BatchNorm in training mode; switch 8) for whole batches.
    """
    layers = [layer for layer in encoder.modules() if isinstance(layer, nn.BatchNorm2d)]
    for layer in layers:
        layer.forward = _instance_norm(layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _instance_norm(layer: nn.BatchNorm2d):  # type: ignore[no-untyped-def]
    def forward(features_NCHW: Tensor) -> Tensor:
        return torch.nn.functional.instance_norm(features_NCHW, weight=layer.weight, bias=layer.bias, eps=layer.eps)

    return forward
