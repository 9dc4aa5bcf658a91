"""Proximal Sensitive Error of the reconstruction: the study's proposal (slides "Research Idea")."""

import math

from torch import Tensor, nn

from pse_repro.config import Switches
from pse_repro.loss import PSELoss


class PSE(nn.Module):
    """`PSELoss` with the kernel that switches 1, 2 and 3 ask for."""

    trains = True

    def __init__(self, criterion: PSELoss) -> None:
        super().__init__()
        self.criterion = criterion

    @classmethod
    def check(cls, sigma: float | None) -> None:
        if sigma is None:
            raise ValueError("sigma is missing; pse needs one, in pixels")
        if not (math.isfinite(sigma) and sigma >= 0):
            raise ValueError(f"sigma is {sigma:g}; expected a finite number of pixels, 0 or more")

    @classmethod
    def build(cls, sigma: float | None, switches: Switches) -> "PSE":
        cls.check(sigma)
        assert sigma is not None  # check() has said so
        radius = None
        if switches.kernel_support == "one-sigma":
            if sigma != int(sigma) or sigma < 1:
                raise ValueError(
                    f"sigma is {sigma:g}; kernel_support one-sigma takes whole numbers of pixels, 1 or more"
                )
            radius = int(sigma)
        mass = 1 / 3 if switches.kernel_mass == "third" else 1.0
        return cls(PSELoss(sigma, radius=radius, mass=mass, padding=switches.borders))

    def forward(self, reconstruction: Tensor, images: Tensor) -> Tensor:
        loss: Tensor = self.criterion(reconstruction, images)
        return loss
