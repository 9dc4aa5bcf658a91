"""Structural similarity of images, and its form at several scales.

    SSIM    = l cs        l  = (2 mx my + C1) / (mx^2 + my^2 + C1)          mx, my: weighted means of a window
                          cs = (2 sxy + C2) / (sx^2 + sy^2 + C2)            sx^2, sy^2, sxy: its (co)variances
    MS-SSIM = product over scales of mean(cs)^weight, with mean(SSIM) at the coarsest

C1 = (0.01 L)^2 and C2 = (0.03 L)^2 with L the range of the values. Windows lie wholly within the image.

Sources: Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli, *Image Quality Assessment*, TIP 13(4), 2004; Z. Wang,
E. P. Simoncelli and A. C. Bovik, *Multiscale Structural Similarity for Image Quality Assessment*, Asilomar 2003.
"""

from typing import TypedDict, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from pse_repro.kernels import kernel_1d
from pse_repro.losses.base import ImageLoss
from pse_repro.smoothing import Smoothing, constant

SCALES = 3  # at 96 pixels; the paper's five end at 6 pixels, where no window of 11 fits
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the five scales, from the finest on
_LEAST = 1e-6  # of a scale's similarity: below 0 it has no power, and near 0 its gradient has no bound


class Window(TypedDict, total=False):
    """The arguments of `SSIMLoss` besides sigma."""

    kernel: str | Tensor
    radius: int
    data_range: float
    reduction: str


def ssim_loss(input: Tensor, target: Tensor, sigma: float = 1.5, **options: Unpack[Window]) -> Tensor:
    """Return 1 - SSIM, the mean over all windows; arguments and errors are those of `SSIMLoss`."""
    return SSIMLoss(sigma, **options)(input, target)  # type: ignore[no-any-return]


def ms_ssim_loss(input: Tensor, target: Tensor, sigma: float = 1.5, **options: Unpack[Window]) -> Tensor:
    """Return 1 - MS-SSIM at three scales, the mean over channels and images; arguments are those of `MSSSIMLoss`."""
    return MSSSIMLoss(sigma, **options)(input, target)  # type: ignore[no-any-return]


class SSIMLoss(ImageLoss):
    """1 - SSIM of every window; with reduction none a map smaller than the images by `2 * radius` pixels.

    `sigma`, `kernel` and `radius` make the window as they make the kernel of `PSELoss`, of mass one: by default a
    Gaussian of 11 x 11 pixels. `data_range` is the range of the images' values. ValueError for images smaller than it.
    """

    scales = 1

    def __init__(
        self,
        sigma: float = 1.5,
        *,
        kernel: str | Tensor = "gaussian",
        radius: int = 5,
        data_range: float = 1.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        if not data_range > 0:
            raise ValueError(f"data_range is {data_range}; expected a number above 0")
        weights = constant(kernel_1d, kernel, sigma, radius, 1.0)
        self.radius, self.data_range = len(weights) // 2, data_range
        self._smoothing = Smoothing(weights, "zeros")  # the borders are cut off

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        self._check_size(input)
        luminance, contrast = self._similarities(input, target)
        return 1 - luminance * contrast

    def _check_size(self, images: Tensor) -> None:
        least = (2 * self.radius + 1) * 2 ** (self.scales - 1)
        if min(images.shape[-2:]) < least:
            raise ValueError(f"input is {tuple(images.shape)}; expected sides of {least} pixels or more for the window")

    def _similarities(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return l and cs of every window."""
        images = torch.stack([input, target, input * input, target * target, input * target])
        height, width = images.shape[-2:]
        windows = self._smoothing.once(images)[
            ..., self.radius : height - self.radius, self.radius : width - self.radius
        ]
        mean_x, mean_y, xx, yy, xy = windows
        c1, c2 = (0.01 * self.data_range) ** 2, (0.03 * self.data_range) ** 2
        luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
        contrast = (2 * (xy - mean_x * mean_y) + c2) / (xx - mean_x**2 + yy - mean_y**2 + c2)
        return luminance, contrast


class MSSSIMLoss(SSIMLoss):
    """1 - MS-SSIM of every channel at SCALES scales, whose weights are the paper's, scaled to a sum of 1.

    Each scale is the one before it averaged over 2 x 2 pixels. A similarity below 1e-6 counts as 1e-6. Reduction none
    gives a value per channel, (N, C) or (C,). Arguments as those of `SSIMLoss`.
    """

    scales = SCALES

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        self._check_size(input)
        similarity = torch.ones((), dtype=input.dtype, device=input.device)
        for scale, weight in enumerate(WEIGHTS[:SCALES]):
            luminance, contrast = self._similarities(input, target)
            found = contrast if scale < SCALES - 1 else luminance * contrast
            similarity = similarity * found.mean((-2, -1)).clamp(min=_LEAST) ** (weight / sum(WEIGHTS[:SCALES]))
            input, target = F.avg_pool2d(input, 2), F.avg_pool2d(target, 2)
        return 1 - similarity
