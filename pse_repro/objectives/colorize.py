"""Colourisation: each pixel's colour predicted from the image's lightness.

Source: R. Zhang, P. Isola, A. A. Efros, *Colorful Image Colorization*, arXiv 1603.08511, sections 2.1 and 2.2; the same
task in arXiv 1603.06668. Scaled from 224 x 224 to 96 x 96: the predicted map has 24 x 24 pixels instead of 56 x 56. A
small decoder computes it from the latent, which is evaluated later, and not from the network's last maps.
"""

import torch
from torch import Tensor, nn

from pse_repro.data.batches import Images
from pse_repro.data.stl10 import Split
from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.base import Batch, Objective, Setup
from pse_repro.objectives.shared.colour_bins import (
    Bins,
    accuracy_pct,
    colour_bins,
    map_decoder,
    rebalancing,
    reduced,
    soft_cross_entropy,
)
from pse_repro.objectives.shared.lab import rgb_to_lab

COUNTED_IMAGES = 500  # to estimate the bins' shares
COUNTED_AT_ONCE = 50


class LightnessEncoder(nn.Module):
    """The study's encoder on lightness only: RGB images -> their L in [0, 1], in three equal channels -> (N, D)."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.of_grey = encoder

    def forward(self, images_NCHW: Tensor) -> Tensor:
        lightness_N1HW = rgb_to_lab(images_NCHW)[:, :1] / 100
        latent_ND: Tensor = self.of_grey(lightness_N1HW.expand(-1, 3, -1, -1))
        return latent_ND


class Colorize(Objective[EncoderWithHead]):
    """Cross-entropy of each pixel's ab bin, soft targets, rebalanced by the bins' shares in the unlabelled images."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.bins = colour_bins(setup.device)
        shares_Q = colour_shares(setup.data.unlabeled.evenly(COUNTED_IMAGES, setup.usable), self.bins)
        self.weights_Q = rebalancing(shares_Q, self.bins)

    def network(self) -> EncoderWithHead:
        encoder = LightnessEncoder(build_encoder(self.setup.encoder))
        return EncoderWithHead(encoder, map_decoder(ENCODERS[self.setup.encoder].latent_size, len(self.bins)))

    def loss(self, network: EncoderWithHead, batch: Batch) -> Tensor:
        return self.measures(network, batch)["loss"]

    def measures(self, network: EncoderWithHead, batch: Batch) -> dict[str, Tensor]:
        targets = self.bins.soft_targets(reduced(rgb_to_lab(batch.images)[:, 1:]))
        logits_NQHW = network(batch.images)
        return {
            "loss": soft_cross_entropy(logits_NQHW, targets, self.weights_Q),
            "accuracy": accuracy_pct(logits_NQHW, targets),
        }


def colour_shares(split: Split, bins: Bins) -> Tensor:
    """Return each bin's share (Q,) of the pixels of the split's reduced images, by nearest bin."""
    images = Images(split, bins.centres_QC.device)
    counts_Q = torch.zeros(len(bins), device=bins.centres_QC.device)
    for positions in torch.arange(len(images)).split(COUNTED_AT_ONCE):
        targets = bins.soft_targets(reduced(rgb_to_lab(images[positions])[:, 1:]))
        counts_Q += targets.bins_PK[:, 0].bincount(minlength=len(bins))
    return counts_Q / counts_Q.sum()
