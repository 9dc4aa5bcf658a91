"""Split-brain autoencoder: two half-encoders predict each other's channels, colour from lightness and the reverse.

Source: R. Zhang, P. Isola, A. A. Efros, *Split-Brain Autoencoders*, arXiv 1611.09842, section 3.2. There a half is half
of AlexNet's channels; here it is the study's encoder with half the latent, so that both halves together give (N, D).
Maps of 24 x 24 pixels are predicted, with soft targets as in `colorize`, and equal weights for all bins.
"""

import torch
from torch import Tensor, nn

from pse_repro.models import ENCODERS, build_encoder
from pse_repro.objectives.base import Batch, Objective, Setup
from pse_repro.objectives.shared.colour_bins import (
    accuracy_pct,
    colour_bins,
    lightness_bins,
    map_decoder,
    reduced,
    soft_cross_entropy,
)
from pse_repro.objectives.shared.lab import rgb_to_lab


class SplitBrainEncoder(nn.Module):
    """RGB images -> the latents of their lightness and of their colours, concatenated: (N, D)."""

    def __init__(self, encoder: str) -> None:
        super().__init__()
        half = ENCODERS[encoder].latent_size // 2
        self.of_lightness = half_encoder(encoder, 1, half)
        self.of_colour = half_encoder(encoder, 2, half)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        return self.of_lab(rgb_to_lab(images_NCHW))

    def of_lab(self, lab_NCHW: Tensor) -> Tensor:
        """Encode images in Lab; the halves receive L in [0, 1], and a and b in about [-1, 1]."""
        lightness, colour = lab_NCHW[:, :1] / 100, lab_NCHW[:, 1:] / 100
        return torch.cat([self.of_lightness(lightness), self.of_colour(colour)], 1)


class SplitBrainNetwork(nn.Module):
    """The encoder, and for each half a decoder to the bins of the other channels."""

    def __init__(self, encoder: str, colour_channels: int, lightness_channels: int) -> None:
        super().__init__()
        half = ENCODERS[encoder].latent_size // 2
        self.encoder = SplitBrainEncoder(encoder)
        self.to_colour = map_decoder(half, colour_channels)
        self.to_lightness = map_decoder(half, lightness_channels)

    def forward(self, lab_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (N, Q, 24, 24) of the colour, from lightness, and of the lightness, from colour."""
        of_lightness, of_colour = self.encoder.of_lab(lab_NCHW).chunk(2, 1)
        return self.to_colour(of_lightness), self.to_lightness(of_colour)


class SplitBrain(Objective[SplitBrainNetwork]):
    """The sum of both directions' cross-entropies."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.colour_bins = colour_bins(setup.device)
        self.lightness_bins = lightness_bins(setup.device)

    def network(self) -> SplitBrainNetwork:
        return SplitBrainNetwork(self.setup.encoder, len(self.colour_bins), len(self.lightness_bins))

    def loss(self, network: SplitBrainNetwork, batch: Batch) -> Tensor:
        return self.measures(network, batch)["loss"]

    def measures(self, network: SplitBrainNetwork, batch: Batch) -> dict[str, Tensor]:
        """Return "loss", "accuracy" (of the colours) and "lightness_accuracy", the latter two in percent."""
        lab_NCHW = rgb_to_lab(batch.images)
        maps_NCHW = reduced(lab_NCHW)
        colours = self.colour_bins.soft_targets(maps_NCHW[:, 1:])
        lightness = self.lightness_bins.soft_targets(maps_NCHW[:, :1])
        colour_logits, lightness_logits = network(lab_NCHW)
        return {
            "loss": soft_cross_entropy(colour_logits, colours) + soft_cross_entropy(lightness_logits, lightness),
            "accuracy": accuracy_pct(colour_logits, colours),
            "lightness_accuracy": accuracy_pct(lightness_logits, lightness),
        }


def half_encoder(encoder: str, channels: int, latent_size: int) -> nn.Module:
    """Return the study's encoder with the given numbers of input channels and latent values."""
    network = build_encoder(encoder)
    convolutions = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    linears = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    (first, stem), (last, projection) = convolutions[0], linears[-1]
    kernel, stride, padding = stem.kernel_size, stem.stride, stem.padding
    own_stem = nn.Conv2d(channels, stem.out_channels, kernel, stride, padding, bias=stem.bias is not None)  # type: ignore[arg-type]
    network.set_submodule(first, own_stem)
    network.set_submodule(last, nn.Linear(projection.in_features, latent_size))
    return network
