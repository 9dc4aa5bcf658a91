"""Base of the pretext classifications, which predict how an image was changed.

Shapes: N images, K cases made from them, C classes, D latent values.
"""

from abc import abstractmethod

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pse_repro.objectives.base import Batch, Network, Objective

HIDDEN = 512


class Pretext(Objective[Network]):
    """Cross-entropy over the cases of a batch; curves also have the accuracy in percent."""

    @abstractmethod
    def classified(self, network: Network, images_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (K, C) and classes (K,) of the cases made from the images, on the images' device."""

    def loss(self, network: Network, batch: Batch) -> Tensor:
        logits, classes = self.classified(network, batch.images)
        return cross_entropy(logits.float(), classes)

    def measures(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        logits, classes = self.classified(network, batch.images)
        accuracy = 100 * (logits.argmax(1) == classes).float().mean()
        return {"loss": cross_entropy(logits.float(), classes), "accuracy": accuracy}


def pretext_head(inputs: int, classes: int) -> nn.Module:
    """Build a head with one hidden layer: one latent or several concatenated (..., inputs) -> logits (..., C)."""
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes))
