"""The signed residual, filtered and squared: PSE without its modulus, and the opposite filter.

    blurred MSE   mean((K * r)^2)                r = input - target, K the kernel of PSE
    high-pass MSE mean((mass r - K * r)^2)       mass: the sum of K, 1 by default
    PSE           mean((K * |r|)^2)

For residuals of one sign the blurred MSE equals PSE, and it never exceeds it: |K * r| <= K * |r|. It is the image
Euclidean distance of L. Wang, Y. Zhang and J. Feng, *On the Euclidean Distance of Images*, PAMI 27(8), 2005, whose
matrix is that of the kernel applied twice.
"""

from typing import TypedDict, Unpack

from torch import Tensor

from pse_repro.loss import PSELoss
from pse_repro.residual import difference


class Options(TypedDict, total=False):
    """The arguments of `PSELoss` besides sigma."""

    kernel: str | Tensor
    radius: int | None
    mass: float
    padding: str
    reduction: str


def blurred_mse_loss(input: Tensor, target: Tensor, sigma: float, **options: Unpack[Options]) -> Tensor:
    """Return mean((K * r)^2); arguments and errors are those of `pse_loss`."""
    return BlurredMSELoss(sigma, **options)(input, target)  # type: ignore[no-any-return]


def highpass_mse_loss(input: Tensor, target: Tensor, sigma: float, **options: Unpack[Options]) -> Tensor:
    """Return mean((mass r - K * r)^2); arguments and errors are those of `pse_loss`."""
    return HighpassMSELoss(sigma, **options)(input, target)  # type: ignore[no-any-return]


class BlurredMSELoss(PSELoss):
    """The mean square of the smoothed signed residual; arguments, ranges and errors are those of `PSELoss`."""

    fused = False  # that kernel takes the modulus

    def _residual(self, input: Tensor, target: Tensor) -> Tensor:
        return difference(input, target).contiguous()

    def _energy(self, residual: Tensor) -> Tensor:
        # Not <R, q>, as PSE: its terms have both signs here, so rounding could make the sum negative.
        return self._filtered(residual).square().sum((-2, -1)).sum()


class HighpassMSELoss(BlurredMSELoss):
    """The mean square of what smoothing takes away from the signed residual; 0 at sigma 0.

    The filter is `mass` times the identity, minus the kernel of this mass: at another mass the loss is that of mass one
    times `mass**2`, as for the other losses with a kernel.
    """

    def _filtered(self, residual: Tensor) -> Tensor:
        return self.mass * residual - super()._filtered(residual)
