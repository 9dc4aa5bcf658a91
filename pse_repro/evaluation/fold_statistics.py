"""One encoder shared by several folds, each with its own running BatchNorm statistics (switch 7).

As released, fine-tuning runs the encoder without gradients in training mode: the folds share its weights, and only
their statistics diverge. Shapes: F folds, B images of a fold's batch, N images of all folds' batches, C channels of
a layer, S running means and variances of an encoder, layer by layer.
"""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pse_repro.evaluation.encoders import batch_norms, override_batchnorm


class FoldStatistics:
    """An encoder for several folds; `rows_FS` holds their running statistics. The encoder itself is not changed."""

    def __init__(self, encoder: nn.Module, count: int) -> None:
        self.encoder = encoder
        layers = batch_norms(encoder)
        self.widths = [2 * layer.num_features for layer in layers]
        running = [statistic for layer in layers for statistic in (layer.running_mean, layer.running_var)]
        self.rows_FS = torch.cat(running).repeat(count, 1)  # type: ignore[arg-type]

    @torch.no_grad()
    def __call__(self, inputs: Sequence[Tensor], training: bool) -> Sequence[Tensor]:
        """Return the latents (B, D) of each fold's images (B, 3, 96, 96); B may be 0.

        In training, each fold is normalised by its own batch, which also updates its running statistics; otherwise by
        its running statistics.
        """
        self.encoder.train(training)
        if inputs[0].device.type == "cuda":
            return self._encode(self.rows_FS, inputs)
        # On a CPU all folds at once take almost twice as long, as their activations do not fit its caches.
        return [self._encode(self.rows_FS[row, None], [images])[0] for row, images in enumerate(inputs)]

    def _encode(self, rows_FS: Tensor, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """Encode the folds' batches in one pass; their statistics `rows_FS` are updated in place."""
        sizes = [len(images) for images in inputs]
        of_layers = iter(rows_FS.split(self.widths, 1))

        def forward_of(layer: nn.BatchNorm2d) -> Callable[[Tensor], Tensor]:
            return _batch_norm_by_fold(layer, next(of_layers), sizes)

        with override_batchnorm(self.encoder, forward_of):
            return self.encoder(_joined(inputs)).split(sizes)  # type: ignore[no-any-return]

    def encoder_with(self, statistics_S: Tensor) -> nn.Module:
        """Return a copy of the encoder with these running statistics, a row of `rows_FS`."""
        encoder = copy.deepcopy(self.encoder)
        for layer, statistics in zip(batch_norms(encoder), statistics_S.split(self.widths), strict=True):
            layer.running_mean, layer.running_var = statistics.clone().chunk(2)
        return encoder


def _batch_norm_by_fold(
    layer: nn.BatchNorm2d, statistics_FS: Tensor, sizes: Sequence[int]
) -> Callable[[Tensor], Tensor]:
    """Return `layer`'s forward for the folds' batches, concatenated along N; each row is a fold's statistics (2 C)."""
    momentum = layer.momentum
    assert momentum is not None  # None would mean a cumulative average

    def forward(features_NCHW: Tensor) -> Tensor:
        parts = []
        for part, statistics in zip(features_NCHW.split(sizes), statistics_FS, strict=True):
            mean_C, variance_C = statistics.chunk(2)
            if len(part):
                part = F.batch_norm(
                    part, mean_C, variance_C, layer.weight, layer.bias, layer.training, momentum, layer.eps
                )
            parts.append(part)
        return _joined(parts)

    return forward


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
