"""Colours as classes: Lab's channels quantised to bins, soft targets over the nearest bins, weights by rarity.

Source: R. Zhang, P. Isola, A. A. Efros, *Colorful Image Colorization*, arXiv 1603.08511, sections 2.1 and 2.2.
Shapes: P pixels, C channels, Q bins, K of them nearest to a pixel.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pse_repro.objectives.shared.lab import rgb_to_lab

MAP_SIDE = 24  # of the predicted maps: a quarter of the images', as the paper's 56 of 224
SMOOTHING_SIGMA = 5.0  # of the bins' shares, in units of ab
UNIFORM_SHARE = 0.5  # the paper's lambda: how much of a uniform distribution is mixed in


@dataclass(frozen=True)
class SoftTargets:
    """The K nearest bins of each pixel, nearest first, and their shares of the pixel; both (P, K)."""

    bins_PK: Tensor
    shares_PK: Tensor


@dataclass(frozen=True)
class Bins:
    """Bins around `centres_QC`; a pixel belongs to the `neighbours` nearest, weighted by a Gaussian of distance."""

    centres_QC: Tensor
    sigma: float
    neighbours: int

    def __len__(self) -> int:
        return len(self.centres_QC)

    def soft_targets(self, maps_NCHW: Tensor) -> SoftTargets:
        """Return targets for the pixels (P = NHW) of maps in the centres' units (H^-1 of the paper's section 2.1)."""
        values_PC = maps_NCHW.float().permute(0, 2, 3, 1).flatten(0, 2)
        squares = [(values_PC[:, c : c + 1] - self.centres_QC[:, c]).square_() for c in range(self.centres_QC.shape[1])]
        distances_PQ = squares[0] if len(squares) == 1 else squares[0].add_(squares[1])
        nearest = distances_PQ.topk(self.neighbours, largest=False)
        return SoftTargets(nearest.indices, (nearest.values / (-2 * self.sigma**2)).softmax(1))


def colour_bins(device: torch.device) -> Bins:
    """Return the bins of ab, in a grid of 10, that are nearest to any sRGB colour: 261 (the paper's list has 313)."""
    levels = torch.linspace(0, 1, 65)
    lab_PC = rgb_to_lab(torch.cartesian_prod(levels, levels, levels)[..., None, None])[:, :, 0, 0]
    centres_QC = 10 * torch.unique((lab_PC[:, 1:] / 10).round(), dim=0)
    return Bins(centres_QC.to(device), sigma=5.0, neighbours=5)


def lightness_bins(device: torch.device) -> Bins:
    """Return 51 bins of L, 2 apart."""
    return Bins(torch.arange(0.0, 101.0, 2.0, device=device)[:, None], sigma=1.0, neighbours=3)


def rebalancing(shares_Q: Tensor, bins: Bins) -> Tensor:
    """Return weights (Q,) that grow with a bin's rarity, 1 in expectation (equation 4).

    `shares_Q` are the bins' shares of all pixels.
    """
    differences_QQC = bins.centres_QC[:, None] - bins.centres_QC
    kernel_QQ = (differences_QQC / SMOOTHING_SIGMA).square().sum(2).div(-2).softmax(1)
    smoothed_Q = (shares_Q[:, None] * kernel_QQ).sum(0)
    weights_Q = 1 / ((1 - UNIFORM_SHARE) * smoothed_Q + UNIFORM_SHARE / len(bins))
    return weights_Q / (smoothed_Q * weights_Q).sum()


def reduced(channels_NCHW: Tensor) -> Tensor:
    """Average the channels to maps (N, C, 24, 24)."""
    return nn.functional.adaptive_avg_pool2d(channels_NCHW.float(), MAP_SIDE)


def soft_cross_entropy(logits_NQHW: Tensor, targets: SoftTargets, weights_Q: Tensor | None = None) -> Tensor:
    """Return the mean over the pixels, in float32, each weighted by its nearest bin (equations 2 and 3)."""
    log_probabilities_PQ = by_pixel(logits_NQHW).log_softmax(1)
    loss_P = -(log_probabilities_PQ.gather(1, targets.bins_PK) * targets.shares_PK).sum(1)
    return (loss_P if weights_Q is None else loss_P * weights_Q[targets.bins_PK[:, 0]]).mean()


def accuracy_pct(logits_NQHW: Tensor, targets: SoftTargets) -> Tensor:
    """Return the percentage of pixels whose most probable bin is the nearest."""
    return 100 * (by_pixel(logits_NQHW).argmax(1) == targets.bins_PK[:, 0]).float().mean()


def by_pixel(logits_NQHW: Tensor) -> Tensor:
    """Return the logits by pixel, (P, Q) in float32."""
    return logits_NQHW.float().permute(0, 2, 3, 1).flatten(0, 2)


def map_decoder(latent_size: int, channels: int) -> nn.Module:
    """Build (N, latent_size) -> logits (N, channels, 24, 24)."""
    layers: list[nn.Module] = [nn.Linear(latent_size, 128 * 6 * 6), nn.Unflatten(1, (128, 6, 6)), nn.LeakyReLU(0.2)]
    for before, after in ((128, 128), (128, 64)):
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(64, channels, 1))
