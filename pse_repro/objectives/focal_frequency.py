"""Focal frequency loss of the reconstruction: the residual's spectrum, in which large errors weigh more."""

from pse_repro.losses import FocalFrequencyLoss
from pse_repro.objectives.base import Setup
from pse_repro.objectives.shared.reconstruction import StudyReconstruction


class FocalFrequency(StudyReconstruction):
    """mean(weight * |spectrum|^2), the weight growing with |spectrum| and detached."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, FocalFrequencyLoss())
