"""Structural similarity of the reconstruction: the usual perceptual loss."""

from pse_repro.losses import SSIMLoss
from pse_repro.objectives.base import Setup
from pse_repro.objectives.shared.reconstruction import StudyReconstruction


class SSIM(StudyReconstruction):
    """1 - SSIM, with Gaussian windows of 11 x 11 pixels and sigma 1.5."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, SSIMLoss())
