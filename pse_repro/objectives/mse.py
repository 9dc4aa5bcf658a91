"""Mean squared error of the reconstruction: the study's baseline (slides "Research Idea")."""

from typing import Self

from torch import Tensor, nn

from pse_repro.config import Switches


class MSE(nn.Module):
    """mean((reconstruction - images)^2), in float32."""

    trains = True

    @classmethod
    def check(cls, sigma: float | None) -> None:
        if sigma is not None:
            raise ValueError(f"sigma is {sigma:g}, but {cls.__name__.lower()} has none; leave it out")

    @classmethod
    def build(cls, sigma: float | None, switches: Switches) -> Self:
        return cls()

    def forward(self, reconstruction: Tensor, images: Tensor) -> Tensor:
        return nn.functional.mse_loss(reconstruction.float(), images.float())
