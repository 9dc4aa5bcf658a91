"""Demonstration of PSE against MSE, and against its signed form, on one image with errors of equal MSE.

The blob and the noise have the same number of wrong pixels, each wrong by the same amount: only the positions of the
errors differ; the image itself does not affect the losses. PSE is small for scattered pixels, but not for all noise:
Gaussian noise on every pixel, with the same MSE, has 0.89 of the blob's PSE at sigma 3, and more than the blob's from
sigma 4 on. The blurred MSE, mean((K * r)^2) of the signed residual r, tells blob and noise apart as well: it is errors
of alternating sign that PSE counts and the blurred MSE does not, such as the blob's as a checkerboard, or white noise.

Shapes: image, reconstruction and maps (C, H, W), float64, image values in [0, 1]; mask (H, W).
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

import torch
from torch import Tensor
from torch.nn import functional as F

from pse_repro.losses import PSELoss, blurred_mse_loss
from pse_repro.seeding import generator
from pse_repro.text import table

RADIUS = 9.5  # of the blob, in pixels; with an integer a single pixel would stick out on each side
SHIFT = 0.3  # error of each wrong pixel in each channel; at most 0.5, so that one direction always stays in [0, 1]


@dataclass(frozen=True)
class Damage:
    """A damaged image: residual R = |reconstruction - image|, density R * K, its losses and the gradients of two."""

    reconstruction: Tensor
    residual: Tensor
    density: Tensor
    mse: float
    pse: float
    blurred: float
    mse_gradient: Tensor
    pse_gradient: Tensor


@dataclass(frozen=True)
class Demo:
    """One image and its damaged versions; `sigma` in pixels, `wrong` is the number of wrong pixels in all but `white`.

    `checkered` is the blob with errors of alternating sign, and `white` has Gaussian noise on every pixel and channel.
    Their reconstructions may leave [0, 1].
    """

    image: Tensor
    sigma: float
    wrong: int
    blob: Damage
    noise: Damage
    checkered: Damage
    white: Damage

    @property
    def pse_ratio(self) -> float:
        """PSE of the blob divided by that of the noise."""
        return self.blob.pse / self.noise.pse


def compare_errors(image: Tensor, sigma: float, seed: int) -> Demo:
    """Damage an image by a blob in its centre, by as many wrong pixels at random positions, and by errors of two signs.

    `seed` is that of the positions and of the white noise.
    """
    height, width = image.shape[-2:]
    rows, columns = torch.arange(height)[:, None] - height // 2, torch.arange(width) - width // 2
    blob = rows**2 + columns**2 <= RADIUS**2
    shuffled = torch.randperm(blob.numel(), generator=generator("demo", seed))
    noise = blob.flatten()[shuffled].view_as(blob)
    # Lighten the wrong pixels, or darken those that lightening would push above 1.
    lighter = (image.amax(0) <= 1 - SHIFT) | (image < SHIFT)
    inside = torch.where(lighter, image.new_tensor(SHIFT), image.new_tensor(-SHIFT))
    checkered = blob * (1 - 2 * ((rows + columns) % 2)).to(image) * SHIFT
    white = torch.randn(image.shape, generator=generator("demo white noise", seed), dtype=image.dtype)
    white *= SHIFT * (blob.double().mean() / white.square().mean()).sqrt()  # the blob's MSE
    errors = (blob * inside, noise * inside, checkered, white)
    return Demo(image, sigma, int(blob.sum()), *(_damage(image, error, sigma) for error in errors))


def losses_table(demo: Demo) -> str:
    """Format the losses of the damaged images, with the ratio of blob to noise."""
    blob, noise, checkered, white = demo.blob, demo.noise, demo.checkered, demo.white
    cells = [
        [name, *map(digits, (of(blob), of(noise), of(blob) / of(noise), of(checkered), of(white)))]
        for name, of in (
            ("MSE", attrgetter("mse")),
            (f"PSE, sigma {demo.sigma:g}", attrgetter("pse")),
            ("blurred MSE", attrgetter("blurred")),
        )
    ]
    header = ["loss", "blob", "noise", "blob / noise", "alternating blob", "white noise"]
    return table(header, "lrrrrr", cells)


def _damage(image: Tensor, error: Tensor, sigma: float) -> Damage:
    """Add the error to the image, and compute its losses."""
    reconstruction, criterion = image + error, PSELoss(sigma)
    mse, mse_gradient = _with_gradient(F.mse_loss, reconstruction, image)
    pse, pse_gradient = _with_gradient(criterion, reconstruction, image)
    blurred = blurred_mse_loss(reconstruction, image, sigma).item()
    residual, density = (reconstruction - image).abs(), criterion.loss_map(reconstruction, image)
    return Damage(reconstruction, residual, density, mse, pse, blurred, mse_gradient, pse_gradient)


def _with_gradient(loss: Callable[..., Tensor], reconstruction: Tensor, image: Tensor) -> tuple[float, Tensor]:
    """Return the loss and its gradient with respect to the reconstruction."""
    leaf = reconstruction.clone().requires_grad_()
    value = loss(leaf, image)
    (gradient,) = torch.autograd.grad(value, leaf)
    return value.item(), gradient


def digits(value: float) -> str:
    """Format a number with three significant digits, in the figure as in the table."""
    return f"{value:#.3g}".rstrip(".")
