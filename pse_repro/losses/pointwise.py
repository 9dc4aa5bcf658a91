"""Losses of single pixels: the modulus that PSE has, without its kernel, and its smooth form."""

from torch import Tensor

from pse_repro.losses.base import ImageLoss


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return mean(|input - target|)."""
    return L1Loss(reduction=reduction)(input, target)  # type: ignore[no-any-return]


def charbonnier_loss(input: Tensor, target: Tensor, *, epsilon: float = 1e-3, reduction: str = "mean") -> Tensor:
    """Return mean(sqrt((input - target)^2 + epsilon^2))."""
    return CharbonnierLoss(epsilon=epsilon, reduction=reduction)(input, target)  # type: ignore[no-any-return]


class L1Loss(ImageLoss):
    """The absolute residual."""

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        return (input - target).abs()


class CharbonnierLoss(ImageLoss):
    """The absolute residual, rounded off below `epsilon`, above 0 and in the unit of the images.

    Source: W.-S. Lai, J.-B. Huang, N. Ahuja and M.-H. Yang, *Deep Laplacian Pyramid Networks for Fast and Accurate
    Super-Resolution*, CVPR 2017, which has 1e-3; after P. Charbonnier et al., ICIP 1994.
    """

    def __init__(self, *, epsilon: float = 1e-3, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        if not epsilon > 0:
            raise ValueError(f"epsilon is {epsilon}; expected a number above 0")
        self.epsilon = epsilon

    def values(self, input: Tensor, target: Tensor) -> Tensor:
        return ((input - target).square() + self.epsilon**2).sqrt()
