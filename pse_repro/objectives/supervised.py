"""Supervised training from scratch on the labelled images: the reference for pre-training without labels.

The encoder has seen 85 % of all labels (the rest is held out for its curves), so its `low-label` results are not
comparable with those of objectives without labels.
Source: T. Chen et al., *A Simple Framework for Contrastive Learning of Visual Representations*, 2020, table 7, and
A. Kwasigroch's overview of self-supervision, whose tables begin with a supervised row.
"""

from torch import Tensor, nn

from pse_repro.data.stl10 import CLASSES
from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.base import Batch, Objective, Setup
from pse_repro.objectives.shared.labelled import LabelledImages, classification


class Supervised(Objective[EncoderWithHead]):
    """Cross-entropy of one linear layer on the latents of labelled images, as many per step as the batch has.

    The batch's unlabelled images are not used. The kept epoch is that of the lowest loss on held-out images.
    """

    chance = 100 / CLASSES

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.images = LabelledImages(setup)

    def network(self) -> EncoderWithHead:
        encoder = self.setup.encoder
        return EncoderWithHead(build_encoder(encoder), nn.Linear(ENCODERS[encoder].latent_size, CLASSES))

    def loss(self, network: EncoderWithHead, batch: Batch) -> Tensor:
        images, labels = self.images.draw(len(batch.images))
        return classification(network(images), labels)["loss"]

    def measures(self, network: EncoderWithHead, batch: Batch) -> dict[str, Tensor]:
        """Return "loss" and "accuracy" (in percent) on held-out images."""
        images, labels = self.images.held_out(batch.positions)
        return classification(network(images), labels)
