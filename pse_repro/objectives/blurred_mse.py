"""Blurred MSE of the reconstruction: PSE without the modulus, so that errors of opposite sign cancel."""

from pse_repro.losses import BlurredMSELoss
from pse_repro.objectives.shared.kernel import KernelReconstruction


class BlurredMSE(KernelReconstruction):
    """`BlurredMSELoss` with the kernel of switches 1, 2 and 3."""

    kind = BlurredMSELoss
