"""Semi-supervised: cross-entropy on a few labels and reconstruction of all images, in one loss.

    cross-entropy + weight * ramp(progress) * reconstruction,    ramp(p) = exp(-5 (1 - min(p / 0.25, 1))^2)

Source: overview of self-supervision, "Semi-supervised learning" (two weighted terms, one supervised, one not). The
ramp is that of S. Laine and T. Aila, *Temporal Ensembling for Semi-Supervised Learning*, 2017. The overview's example
(X. Li et al., *Semi-supervised Skin Lesion Segmentation via Transformation Consistent Self-ensembling Model*, 2018) has
it, too: theirs ends after 80 of 300 epochs, ours after a quarter of the pre-training. Reconstruction replaces their
consistency term.
"""

import math

import torch
from torch import Tensor, nn

from pse_repro.config.protocol import Switches
from pse_repro.data.stl10 import CLASSES
from pse_repro.loss import PSELoss
from pse_repro.models import ENCODERS, Autoencoder, build_encoder
from pse_repro.objectives.base import Batch, Objective, Setup
from pse_repro.objectives.pse import PSE
from pse_repro.objectives.shared.kernel import kernel_criterion
from pse_repro.objectives.shared.labelled import LabelledImages, classification
from pse_repro.objectives.shared.reconstruction import Criterion, squared_error

RAMP_END = 0.25  # of the pre-training


def ramp(progress: float) -> float:
    """Return the unsupervised term's share of its full weight: exp(-5) at the start, 1 from RAMP_END on."""
    return math.exp(-5 * (1 - min(progress / RAMP_END, 1)) ** 2)


class JointNetwork(Autoencoder):
    """The study's autoencoder, and a linear classifier on its latents."""

    def __init__(self, encoder: str) -> None:
        super().__init__(build_encoder(encoder), ENCODERS[encoder].latent_size)
        self.classifier = nn.Linear(ENCODERS[encoder].latent_size, CLASSES)


class Joint(Objective[JointNetwork]):
    """Cross-entropy and reconstruction of batches that are half labelled, half unlabelled.

    Half of a step's images are drawn from the few labelled ones, the rest is the first half of the batch, so a step
    costs as much as the autoencoder's. All images are reconstructed, and the labelled ones classified. The labels of a
    class-balanced `fraction` of the labelled images are used, those of low-label's first subset of that fraction.
    Low-label results on smaller subsets are therefore biased: the encoder has seen more labels than they state.
    No other labels influence the result: the last epoch is kept, and held-out labels are used only for the curves.
    """

    keeps = "last"
    reconstructs = True
    captures = False
    chance = 100 / CLASSES

    def __init__(self, setup: Setup, criterion: Criterion, fraction: float, weight: float) -> None:
        super().__init__(setup)
        self.criterion, self.weight = criterion, weight
        self.images = LabelledImages(setup, fraction)

    def network(self) -> JointNetwork:
        return JointNetwork(self.setup.encoder)

    def loss(self, network: JointNetwork, batch: Batch) -> Tensor:
        half = len(batch.images) // 2
        labelled, labels = self.images.draw(half)
        images = torch.cat([labelled, batch.images[: len(batch.images) - half]])
        latent_ND, reconstruction = network(images)
        supervised = classification(network.classifier(latent_ND[:half]), labels)["loss"]
        return supervised + self.weight * ramp(batch.progress) * self.criterion(reconstruction, images)

    def measures(self, network: JointNetwork, batch: Batch) -> dict[str, Tensor]:
        """Return, for held-out images, "loss" with the full weight, "cross_entropy", "accuracy" and "mse"."""
        labelled, labels = self.images.held_out(batch.positions)
        found = classification(network.classifier(network.encoder(labelled)), labels)
        reconstruction = network(batch.images)[1]
        return {
            "loss": found["loss"] + self.weight * self.criterion(reconstruction, batch.images),
            "cross_entropy": found["loss"],
            "accuracy": found["accuracy"],
            "mse": squared_error(reconstruction, batch.images),
        }


class JointMSE(Joint):
    """Joint training with the mean squared error of the reconstruction as the unsupervised term."""

    def __init__(self, setup: Setup, fraction: float = 0.1, weight: float = 10) -> None:
        super().__init__(setup, squared_error, fraction, weight)


class JointPSE(Joint):
    """Joint training with PSE as the unsupervised term; `weight` is for a kernel of mass one, whatever switch 1."""

    def __init__(self, setup: Setup, fraction: float = 0.1, weight: float = 10) -> None:
        criterion = kernel_criterion(PSELoss, setup.sigma, setup.switches)
        kernel_mass = float(criterion.weights.sum()) ** 2  # in two dimensions; the loss is proportional to its square
        super().__init__(setup, criterion, fraction, weight / kernel_mass**2)

    @classmethod
    def check(cls, sigma: float | None, switches: Switches | None = None) -> None:
        PSE.check(sigma, switches)
