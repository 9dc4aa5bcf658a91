"""Base of the losses without a kernel: arguments checked, full precision, a reduction."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from pse_repro.residual import check_reduction, full_precision, in_full, reduced


class ImageLoss(nn.Module, ABC):
    """A loss on two images (C, H, W) or batches of images (N, C, H, W), whose `values` are reduced.

    Errors of the arguments are those of `PSELoss`.
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        input, target = in_full(input, target)
        with full_precision(input):
            return reduced(self.values(input, target), self.reduction)

    @abstractmethod
    def values(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the values that are averaged or summed, of images in float32 or float64."""

    def extra_repr(self) -> str:
        return f"reduction={self.reduction}"
