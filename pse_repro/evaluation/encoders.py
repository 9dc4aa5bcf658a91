"""Encoders held still: the guard that they did not change, and per-image normalisation (switch 8)."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

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
def assert_unchanged(name: str, encoder: nn.Module, buffers: bool = True) -> Iterator[Callable[[], None]]:
    """CellError if the encoder's weights (and buffers, where asked) are not the same after the block as before it.

    The block can ask in between, by calling what it is given.
    """
    before = fingerprint(encoder, buffers)

    def check() -> None:
        if fingerprint(encoder, buffers) != before:
            what = "weights or buffers" if buffers else "weights"
            raise CellError(
                f"{name}: the encoder's {what} changed in an evaluation that holds them still; this cell stops"
            )

    yield check
    check()


def batch_norms(encoder: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in encoder.modules() if isinstance(layer, nn.BatchNorm2d)]


@contextmanager
def override_batchnorm(
    encoder: nn.Module, forward_of: Callable[[nn.BatchNorm2d], Callable[[Tensor], Tensor]]
) -> Iterator[None]:
    """Inside the block each BatchNorm layer does what `forward_of` makes of it, asked in the layers' order."""
    layers = batch_norms(encoder)
    for layer in layers:
        layer.forward = forward_of(layer)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def per_image_normalisation(encoder: nn.Module) -> AbstractContextManager[None]:
    """Each BatchNorm layer normalises every image by that image's own statistics, with its own weight and bias.

    The same as the released code's way (one image at a time, BatchNorm in training mode; switch 8) for whole batches.
    """
    return override_batchnorm(encoder, _instance_norm)


def _instance_norm(layer: nn.BatchNorm2d) -> Callable[[Tensor], Tensor]:
    def forward(features_NCHW: Tensor) -> Tensor:
        return torch.nn.functional.instance_norm(features_NCHW, weight=layer.weight, bias=layer.bias, eps=layer.eps)

    return forward
