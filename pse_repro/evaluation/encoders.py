"""Encoders that are not trained: a check that they do not change, per-image normalisation and drifting statistics."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn

from pse_repro.errors import CellError


def fingerprint(encoder: nn.Module, buffers: bool = True) -> str:
    """Return the SHA-256 of names and bytes of all weights and, if requested, all buffers (running statistics)."""
    digest = hashlib.sha256()
    tensors = [*encoder.named_parameters(), *(encoder.named_buffers() if buffers else ())]
    for name, tensor in tensors:
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def assert_unchanged(name: str, encoder: nn.Module, buffers: bool = True) -> Iterator[Callable[[], None]]:
    """Raise CellError if the block changes the encoder's weights or, if requested, its buffers.

    Yields a function that makes the same check within the block.
    """
    before = fingerprint(encoder, buffers)

    def check() -> None:
        if fingerprint(encoder, buffers) != before:
            what = "weights or buffers" if buffers else "weights"
            raise CellError(
                f"{name}: the encoder's {what} changed in an evaluation that keeps them fixed; this cell stops"
            )

    yield check
    check()


def batch_norms(encoder: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in encoder.modules() if isinstance(layer, nn.BatchNorm2d)]


@contextmanager
def override_batchnorm(
    encoder: nn.Module, forward_of: Callable[[nn.BatchNorm2d], Callable[[Tensor], Tensor]]
) -> Iterator[None]:
    """Replace, within the block, each BatchNorm layer's forward by `forward_of(layer)`, called in the layers' order."""
    layers = batch_norms(encoder)
    for layer in layers:
        layer.forward = forward_of(layer)  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def per_image_normalisation(encoder: nn.Module) -> AbstractContextManager[None]:
    """Make each BatchNorm layer, within the block, normalise every image by its own statistics.

    The layer's weight and bias are kept. For whole batches, this equals the released code, which encodes one image at
    a time with BatchNorm in training mode (switch 8).
    """
    return override_batchnorm(encoder, _instance_norm)


def _instance_norm(layer: nn.BatchNorm2d) -> Callable[[Tensor], Tensor]:
    def forward(features_NCHW: Tensor) -> Tensor:
        return torch.nn.functional.instance_norm(features_NCHW, weight=layer.weight, bias=layer.bias, eps=layer.eps)

    return forward


class StatisticsOnly(nn.Module):
    """A classifier on an encoder without gradients, whose running statistics alone drift in training (switch 7)."""

    def __init__(self, encoder: nn.Module, classifier: nn.Module) -> None:
        super().__init__()
        self.encoder, self.classifier = encoder.requires_grad_(False), classifier

    def forward(self, images_NCHW: Tensor) -> Tensor:
        with torch.no_grad():
            latents_ND = self.encoder(images_NCHW)
        logits_NK: Tensor = self.classifier(latents_ND)
        return logits_NK
