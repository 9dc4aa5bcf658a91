"""Structural similarity of the reconstruction at three scales: 96, 48 and 24 pixels."""

from pse_repro.losses import MSSSIMLoss
from pse_repro.objectives.base import Setup
from pse_repro.objectives.shared.reconstruction import StudyReconstruction


class MSSSIM(StudyReconstruction):
    """1 - MS-SSIM, with the windows of `ssim`."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, MSSSIMLoss())
