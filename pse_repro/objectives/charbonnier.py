"""Charbonnier loss of the reconstruction: the modulus without a kernel, smooth at zero."""

from pse_repro.losses import CharbonnierLoss
from pse_repro.objectives.base import Setup
from pse_repro.objectives.shared.reconstruction import StudyReconstruction


class Charbonnier(StudyReconstruction):
    """mean(sqrt((reconstruction - images)^2 + 0.001^2))."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, CharbonnierLoss())
