"""What the pretext classifications have in common: the class of what was done to an image is to be told from it.

Shapes: N images, K cases made of them, C classes, D latent values.
"""

from abc import abstractmethod

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pse_repro.objectives.base import Batch, Network, Objective

HIDDEN = 512


class Pretext(Objective[Network]):
    """Cross-entropy over the cases of a batch; curves also tell the accuracy in percent."""

    @abstractmethod
    def classified(self, network: Network, images_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """The cases made of the images: their logits (K, C) and their classes (K,), on the images' device."""

    def loss(self, network: Network, batch: Batch) -> Tensor:
        logits, classes = self.classified(network, batch.images)
        return cross_entropy(logits.float(), classes)

    def measures(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        logits, classes = self.classified(network, batch.images)
        accuracy = 100 * (logits.argmax(1) == classes).float().mean()
        return {"loss": cross_entropy(logits.float(), classes), "accuracy": accuracy}


def pretext_head(inputs: int, classes: int) -> nn.Module:
    """One hidden layer: latents, or several of them concatenated, (..., inputs) -> logits (..., C)."""
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes))
