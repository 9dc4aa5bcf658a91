"""Proximal Sensitive Error of the reconstruction: the study's proposal (slides "Research Idea")."""

from pse_repro.loss import PSELoss
from pse_repro.objectives.shared.kernel import KernelReconstruction


class PSE(KernelReconstruction):
    """`PSELoss` with the kernel of switches 1, 2 and 3."""

    kind = PSELoss
