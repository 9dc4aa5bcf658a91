"""Focal frequency loss: the residual's spectrum, in which large errors weigh more."""

import torch
from torch import Tensor

from pse_repro.losses.base import ImageLoss


def focal_frequency_loss(input: Tensor, target: Tensor, *, alpha: float = 1.0, reduction: str = "mean") -> Tensor:
    """Return mean(weight * |F|^2), F the spectrum of input - target; arguments as those of `FocalFrequencyLoss`."""
    return FocalFrequencyLoss(alpha=alpha, reduction=reduction)(input, target)  # type: ignore[no-any-return]


class FocalFrequencyLoss(ImageLoss):
    """The squared orthonormal 2-D spectrum of the residual, each frequency weighted by its own size.

    The weight is |F|^alpha over its maximum in the same channel of the same image, and no gradient goes through it;
    `alpha` 0 gives MSE. Reduction none gives a value per frequency, of the images' shape.

    Source: L. Jiang, B. Dai, W. Wu and C. C. Loy, *Focal Frequency Loss for Image Reconstruction and Synthesis*, ICCV
    2021, equations 8 and 9, with the whole image as one patch.
    """

    def __init__(self, *, alpha: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        if not alpha >= 0:
            raise ValueError(f"alpha is {alpha}; expected 0 or more")
        self.alpha = alpha

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        spectrum = torch.fft.fft2(input - target, norm="ortho")
        size = spectrum.detach().abs()
        largest = size.amax((-2, -1), keepdim=True).clamp(min=torch.finfo(size.dtype).tiny)  # 0 where nothing differs
        return (size / largest) ** self.alpha * torch.view_as_real(spectrum).square().sum(-1)
