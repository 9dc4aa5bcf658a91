"""Supervised training from scratch on the labelled images: the baseline that pre-training without labels is held to.

The encoder has seen 85 % of all labels (the others are held out for its curves), so that its `low-label` results cannot
be compared with those of objectives that saw none.
Source: T. Chen et al., *A Simple Framework for Contrastive Learning of Visual Representations*, 2020, table 7, and
A. Kwasigroch's overview of self-supervision, whose tables begin with a supervised row.
"""

from torch import Tensor, nn

from pse_repro.data.stl10 import CLASSES
from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.base import Batch, Objective, Setup
from pse_repro.objectives.shared.labelled import LabelledImages, classification


class Supervised(Objective[EncoderWithHead]):
    """Cross-entropy of one linear layer on the latents, over as many labelled images a step as others have unlabelled.

    The unlabelled images of a step are not looked at. The epoch that is kept has the lowest loss on held-out images.
    """

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
        """ "loss" and "accuracy" in percent on the held-out images."""
        images, labels = self.images.held_out(batch.positions)
        return classification(network(images), labels)
