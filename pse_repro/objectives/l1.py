"""Mean absolute error of the reconstruction: the modulus that PSE has, without its kernel."""

from pse_repro.losses import L1Loss
from pse_repro.objectives.base import Setup
from pse_repro.objectives.shared.reconstruction import StudyReconstruction


class L1(StudyReconstruction):
    """mean(|reconstruction - images|)."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, L1Loss())
