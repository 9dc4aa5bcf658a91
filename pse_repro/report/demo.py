"""What PSE punishes and MSE does not, on one image: wrong pixels side by side, and as many scattered as noise.

Both damaged images have the same number of wrong pixels, each wrong by the same amount, so their MSE is equal and only
where the errors lie differs; the image itself changes no loss. Scattered pixels are the noise that PSE hardly sees.
Gaussian noise on every pixel it does see: of the same MSE, that has 0.89 of the blob's PSE at sigma 3, and more than
the blob's from sigma 4 on.

Shapes: image, reconstruction and maps (C, H, W), float64; an image's values in [0, 1]; mask (H, W).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from tabulate import SEPARATING_LINE, tabulate
from torch import Tensor
from torch.nn import functional as F

from pse_repro.data.batches import Images
from pse_repro.data.stl10 import SIDE, Dataset
from pse_repro.data_commands import find_data
from pse_repro.errors import UsageError
from pse_repro.loss import PSELoss
from pse_repro.progress import Progress
from pse_repro.report import demo_figure
from pse_repro.seeding import generator

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


def demo(data: Path | None, number: int, sigma: float, out: Path, seed: int) -> str:
    """Draw the figure of one image to `out` (.png, .svg or .pdf); returns its path and both losses, as a short table.

    UsageError for a sigma, an image number or a kind of file that will not do; NotFitError for images or a folder that
    cannot be read or written.
    """
    check_sigma(sigma)
    demo_figure.check_kind(out)
    with Progress() as progress:
        image = choose_image(find_data(data, True, progress), number)
    shown = compare_errors(image, sigma, seed)
    demo_figure.write(demo_figure.draw(shown), out)
    return f"{out}\n\n{losses_table(shown)}"


def check_sigma(sigma: float) -> None:
    """UsageError unless it is a number of pixels that an image has."""
    if not (math.isfinite(sigma) and 0 <= sigma <= SIDE):
        raise UsageError(f"sigma is {sigma:g}; expected 0 to {SIDE} pixels, an image's width: give another --sigma")


def choose_image(data: Dataset, number: int) -> Tensor:
    """Unlabelled image `number`, counted from 0; UsageError where there is none."""
    images = Images(data.unlabeled, torch.device("cpu"))
    if not 0 <= number < len(images):
        raise UsageError(
            f"image is {number}; expected 0 to {len(images) - 1}, an unlabelled image of {data.name}: "
            "give another --image"
        )
    return images[torch.tensor([number])][0].double()


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
    blob, noise, digits = demo.blob, demo.noise, demo_figure.digits
    cells = [
        ["MSE", digits(blob.mse), digits(noise.mse), digits(blob.mse / noise.mse)],
        [f"PSE, sigma {demo.sigma:g}", digits(blob.pse), digits(noise.pse), digits(demo.pse_ratio)],
    ]
    header = ["loss", "blob", "noise", "blob / noise"]
    align = ("left", "right", "right", "right")
    return tabulate([header, SEPARATING_LINE, *cells], tablefmt="simple", disable_numparse=True, colalign=align)


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
