"""Proximal Sensitive Error of the reconstruction: the study's proposal (slides "Research Idea")."""

from pse_repro.config.protocol import Switches
from pse_repro.data.stl10 import SIDE
from pse_repro.kernels import border_matrix
from pse_repro.loss import PSELoss
from pse_repro.objectives.base import Setup
from pse_repro.objectives.shared.reconstruction import StudyReconstruction


class PSE(StudyReconstruction):
    """`PSELoss` with the kernel of switches 1, 2 and 3."""

    def __init__(self, setup: Setup) -> None:
        criterion = pse_criterion(setup.sigma, setup.switches)
        super().__init__(setup, criterion, criterion)

    @classmethod
    def check(cls, sigma: float | None, switches: Switches | None = None) -> None:
        if sigma is None:
            raise ValueError("sigma is missing; pse needs one, in pixels")
        if not 0 <= sigma <= SIDE:  # nor is it NaN
            raise ValueError(f"sigma is {sigma:g}; expected 0 to {SIDE} pixels, an image's width")
        if switches is not None:
            border_matrix(pse_criterion(sigma, switches).weights, SIDE, switches.borders)


def pse_criterion(sigma: float | None, switches: Switches) -> PSELoss:
    """Return PSE of `sigma` pixels under the protocol's switches; ValueError if they do not allow the sigma."""
    PSE.check(sigma)
    assert sigma is not None  # ensured by check()
    radius = None
    if switches.kernel_support == "one-sigma":
        if sigma != int(sigma) or sigma < 1:
            raise ValueError(f"sigma is {sigma:g}; kernel_support one-sigma takes whole numbers of pixels, 1 or more")
        radius = int(sigma)
    mass = 1 / 3 if switches.kernel_mass == "third" else 1.0
    return PSELoss(sigma, radius=radius, mass=mass, padding=switches.borders)
