"""What PSE punishes and MSE does not, on one image: wrong pixels side by side, and as many scattered as noise.

Both damaged images have the same number of wrong pixels, each wrong by the same amount, so their MSE is equal and only
where the errors lie differs; the image itself changes no loss. Scattered pixels are the noise that PSE hardly sees.
Gaussian noise on every pixel it does see: of the same MSE, that has 0.89 of the blob's PSE at sigma 3, and more than
the blob's from sigma 4 on.

Shapes: image, reconstruction and maps (C, H, W), float64; an image's values in [0, 1]; mask (H, W).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pse_repro.loss import PSELoss
from pse_repro.seeding import generator
from pse_repro.text import table

RADIUS = 9.5  # of the blob, in pixels; a whole number would leave a pixel sticking out on each side
SHIFT = 0.3  # of each wrong pixel in each channel; not above 0.5, so that one of up and down stays in [0, 1]


@dataclass(frozen=True)
class Damage:
    """A damaged image, its residual |reconstruction - image|, its density R * K, both losses and their gradients."""

    reconstruction: Tensor
    residual: Tensor
    density: Tensor
    mse: float
    pse: float
    mse_gradient: Tensor
    pse_gradient: Tensor


@dataclass(frozen=True)
class Demo:
    """One image and its two damaged versions; `sigma` of PSE in pixels, `wrong` pixels in either."""

    image: Tensor
    sigma: float
    wrong: int
    blob: Damage
    noise: Damage

    @property
    def pse_ratio(self) -> float:
        """How many times the noise's PSE the blob's is."""
        return self.blob.pse / self.noise.pse


def compare_errors(image: Tensor, sigma: float, seed: int) -> Demo:
    """The image with a blob in its middle, and with as many wrong pixels wherever `seed` throws them."""
    height, width = image.shape[-2:]
    rows, columns = torch.arange(height)[:, None] - height // 2, torch.arange(width) - width // 2
    blob = rows**2 + columns**2 <= RADIUS**2
    thrown = torch.randperm(blob.numel(), generator=generator("demo", seed))
    noise = blob.flatten()[thrown].view_as(blob)
    return Demo(image, sigma, int(blob.sum()), *(_judged(image, mask, PSELoss(sigma)) for mask in (blob, noise)))


def losses_table(demo: Demo) -> str:
    """Both losses of both damaged images, and how many times the noise's the blob's is."""
    blob, noise = demo.blob, demo.noise
    cells = [
        ["MSE", digits(blob.mse), digits(noise.mse), digits(blob.mse / noise.mse)],
        [f"PSE, sigma {demo.sigma:g}", digits(blob.pse), digits(noise.pse), digits(demo.pse_ratio)],
    ]
    return table(["loss", "blob", "noise", "blob / noise"], "lrrr", cells)


def _judged(image: Tensor, wrong: Tensor, criterion: PSELoss) -> Damage:
    """The image with the mask's pixels lighter, or darker where that has no room, and what that costs."""
    lighter = (image.amax(0) <= 1 - SHIFT) | (image < SHIFT)
    reconstruction = image + wrong * torch.where(lighter, SHIFT, -SHIFT)
    mse, mse_gradient = _with_gradient(F.mse_loss, reconstruction, image)
    pse, pse_gradient = _with_gradient(criterion, reconstruction, image)
    residual, density = (reconstruction - image).abs(), criterion.loss_map(reconstruction, image)
    return Damage(reconstruction, residual, density, mse, pse, mse_gradient, pse_gradient)


def _with_gradient(loss: Callable[..., Tensor], reconstruction: Tensor, image: Tensor) -> tuple[float, Tensor]:
    """The loss, and its gradient with respect to the reconstruction."""
    leaf = reconstruction.clone().requires_grad_()
    value = loss(leaf, image)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.item(), gradient


def digits(value: float) -> str:
    """Three significant ones, on the figure as in the table."""
    return f"{value:#.3g}".rstrip(".")
