"""Other ways to compute PSE, measured for comparison; only the bench uses them.

Each takes the kernel's standard deviation and radius in pixels, and the sum of a channel's kernel. Images are
(N, 3, H, W), with zero borders.
"""

from importlib.util import find_spec

import torch
from torch import Tensor
from torch.nn import functional as F

from pse_repro.bench.straightforward import Loss, dense_pse
from pse_repro.kernels import kernel_1d


def written_out_mse(input: Tensor, target: Tensor) -> Tensor:
    """Return the MSE computed in the same elementary steps as PSE; F.mse_loss is one fused kernel."""
    return (input - target).square().mean()


def depthwise(sigma: float, radius: int, mass: float) -> Loss:
    """Return PSE by one 2-D convolution per channel."""

    def loss(input: Tensor, target: Tensor) -> Tensor:
        line = kernel_1d("gaussian", sigma, radius, mass).to(input)
        weight = torch.outer(line, line).expand(3, 1, -1, -1)
        return F.conv2d((input - target).abs(), weight, padding=radius, groups=3).square().mean()

    return loss


def separable(sigma: float, radius: int, mass: float) -> Loss:
    """Return PSE by two 1-D convolutions per channel."""

    def loss(input: Tensor, target: Tensor) -> Tensor:
        line = kernel_1d("gaussian", sigma, radius, mass).to(input).expand(3, 1, 1, -1)
        smoothed = F.conv2d((input - target).abs(), line, padding=(0, radius), groups=3)
        return F.conv2d(smoothed, line.transpose(-1, -2), padding=(radius, 0), groups=3).square().mean()

    return loss


def kornia_blur(sigma: float, radius: int, mass: float) -> Loss:
    """Return PSE by kornia's Gaussian blur of the residual; kornia's kernel sums to 1."""
    from kornia.filters import gaussian_blur2d

    def loss(input: Tensor, target: Tensor) -> Tensor:
        smoothed = gaussian_blur2d((input - target).abs(), 2 * radius + 1, (sigma, sigma), border_type="constant")
        return (mass * smoothed).square().mean()

    return loss


LOSS_FORMS = {
    "straightforward": dense_pse,
    "depthwise convolution": depthwise,
    "two 1-D convolutions": separable,
} | ({"kornia gaussian_blur2d": kornia_blur} if find_spec("kornia") else {})
