"""Losses of single pixels: the modulus that PSE has, without its kernel."""

from torch import Tensor

from pse_repro.losses.base import ImageLoss


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return mean(|input - target|)."""
    return L1Loss(reduction=reduction)(input, target)  # type: ignore[no-any-return]


class L1Loss(ImageLoss):
    """The absolute residual."""

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        return (input - target).abs()
