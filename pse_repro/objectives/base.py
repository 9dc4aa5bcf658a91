"""What every objective offers to the pre-training loop."""

from typing import Protocol, Self

from torch import Tensor

from pse_repro.config import Switches


class Objective(Protocol):
    """A loss on an autoencoder's output. Shapes: reconstruction and images (N, 3, 96, 96) in [0, 1] -> a scalar."""

    trains: bool  # False where the encoder stays as it was initialised

    @classmethod
    def check(cls, sigma: float | None) -> None:
        """ValueError unless the objective can be built with this sigma (in pixels)."""

    @classmethod
    def build(cls, sigma: float | None, switches: Switches) -> Self:
        """The objective as the protocol's switches want it."""

    def __call__(self, reconstruction: Tensor, images: Tensor) -> Tensor:
        """The loss, in float32."""
