"""High-pass MSE of the reconstruction: the error that PSE's kernel would smooth away.

R. Balestriero and Y. LeCun, *Learning by Reconstruction Produces Uninformative Features For Perception*, ICML 2024,
find that reconstruction spends its capacity on low frequencies, which tell least about the class.
"""

from pse_repro.losses import HighpassMSELoss
from pse_repro.objectives.shared.kernel import KernelReconstruction


class HighpassMSE(KernelReconstruction):
    """`HighpassMSELoss` with the kernel of switches 1, 2 and 3."""

    kind = HighpassMSELoss
