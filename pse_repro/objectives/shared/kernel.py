"""Base of the autoencoders whose loss has PSE's kernel, under a protocol's switches 1, 2 and 3."""

from typing import ClassVar, TypeVar

from pse_repro.config.protocol import Switches
from pse_repro.data.stl10 import SIDE
from pse_repro.kernels import border_matrix
from pse_repro.loss import PSELoss
from pse_repro.objectives.base import Setup
from pse_repro.objectives.shared.reconstruction import StudyReconstruction

Loss = TypeVar("Loss", bound=PSELoss)


class KernelReconstruction(StudyReconstruction):
    """The study's autoencoder under a `kind` of loss with a kernel; its curves have PSE of the same kernel."""

    kind: ClassVar[type[PSELoss]]

    def __init__(self, setup: Setup) -> None:
        kernel = setup.sigma, setup.switches
        super().__init__(setup, kernel_criterion(self.kind, *kernel), kernel_criterion(PSELoss, *kernel))

    @classmethod
    def check(cls, sigma: float | None, switches: Switches | None = None) -> None:
        if switches is not None:
            border_matrix(kernel_criterion(cls.kind, sigma, switches).weights, SIDE, switches.borders)
        else:
            _checked(sigma)


def kernel_criterion(kind: type[Loss], sigma: float | None, switches: Switches) -> Loss:
    """Return the loss of `sigma` pixels under the protocol's switches; ValueError if they do not allow the sigma."""
    sigma, radius = _checked(sigma), None
    if switches.kernel_support == "one-sigma":
        if sigma != int(sigma) or sigma < 1:
            raise ValueError(f"sigma is {sigma:g}; kernel_support one-sigma takes whole numbers of pixels, 1 or more")
        radius = int(sigma)
    mass = 1 / 3 if switches.kernel_mass == "third" else 1.0
    return kind(sigma, radius=radius, mass=mass, padding=switches.borders)


def _checked(sigma: float | None) -> float:
    if sigma is None:
        raise ValueError(f"sigma is missing; expected 0 to {SIDE} pixels, an image's width")
    if not 0 <= sigma <= SIDE:  # nor is it NaN
        raise ValueError(f"sigma is {sigma:g}; expected 0 to {SIDE} pixels, an image's width")
    return sigma
