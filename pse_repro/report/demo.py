"""Demonstration of PSE against MSE on one image: clustered errors against the same number of scattered errors.

Both damaged images have the same number of wrong pixels, each wrong by the same amount. Their MSE is therefore equal,
and only the positions of the errors differ; the image itself does not affect the losses. PSE is small for scattered
pixels, but not for all noise: Gaussian noise on every pixel, with the same MSE, has 0.89 of the blob's PSE at sigma 3,
and more than the blob's from sigma 4 on.

Shapes: image, reconstruction and maps (C, H, W), float64, image values in [0, 1]; mask (H, W).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pse_repro.loss import PSELoss
from pse_repro.seeding import generator
from pse_repro.text import table

RADIUS = 9.5  # of the blob, in pixels; with an integer a single pixel would stick out on each side
SHIFT = 0.3  # error of each wrong pixel in each channel; at most 0.5, so that one direction always stays in [0, 1]


@dataclass(frozen=True)
class Damage:
    """A damaged image: residual R = |reconstruction - image|, density R * K, both losses and their gradients."""

    reconstruction: Tensor
    residual: Tensor
    density: Tensor
    mse: float
    pse: float
    mse_gradient: Tensor
    pse_gradient: Tensor


@dataclass(frozen=True)
class Demo:
    """One image and its two damaged versions; `sigma` in pixels, `wrong` is the number of wrong pixels in each."""

    image: Tensor
    sigma: float
    wrong: int
    blob: Damage
    noise: Damage

    @property
    def pse_ratio(self) -> float:
        """PSE of the blob divided by that of the noise."""
        return self.blob.pse / self.noise.pse


def compare_errors(image: Tensor, sigma: float, seed: int) -> Demo:
    """Damage an image by a blob in its centre, and by the same number of wrong pixels at random positions (`seed`)."""
    height, width = image.shape[-2:]
    rows, columns = torch.arange(height)[:, None] - height // 2, torch.arange(width) - width // 2
    blob = rows**2 + columns**2 <= RADIUS**2
    shuffled = torch.randperm(blob.numel(), generator=generator("demo", seed))
    noise = blob.flatten()[shuffled].view_as(blob)
    return Demo(image, sigma, int(blob.sum()), *(_damage(image, mask, PSELoss(sigma)) for mask in (blob, noise)))


def losses_table(demo: Demo) -> str:
    """Format both losses of both damaged images, with the ratio of blob to noise."""
    blob, noise = demo.blob, demo.noise
    cells = [
        ["MSE", digits(blob.mse), digits(noise.mse), digits(blob.mse / noise.mse)],
        [f"PSE, sigma {demo.sigma:g}", digits(blob.pse), digits(noise.pse), digits(demo.pse_ratio)],
    ]
    return table(["loss", "blob", "noise", "blob / noise"], "lrrr", cells)


def _damage(image: Tensor, wrong: Tensor, criterion: PSELoss) -> Damage:
    """Lighten the masked pixels, or darken those that lightening would push above 1, and compute both losses."""
    lighter = (image.amax(0) <= 1 - SHIFT) | (image < SHIFT)
    reconstruction = image + wrong * torch.where(lighter, image.new_tensor(SHIFT), image.new_tensor(-SHIFT))
    mse, mse_gradient = _with_gradient(F.mse_loss, reconstruction, image)
    pse, pse_gradient = _with_gradient(criterion, reconstruction, image)
    residual, density = (reconstruction - image).abs(), criterion.loss_map(reconstruction, image)
    return Damage(reconstruction, residual, density, mse, pse, mse_gradient, pse_gradient)


def _with_gradient(loss: Callable[..., Tensor], reconstruction: Tensor, image: Tensor) -> tuple[float, Tensor]:
    """Return the loss and its gradient with respect to the reconstruction."""
    leaf = reconstruction.clone().requires_grad_()
    value = loss(leaf, image)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.item(), gradient


def digits(value: float) -> str:
    """Format a number with three significant digits, in the figure as in the table."""
    return f"{value:#.3g}".rstrip(".")
