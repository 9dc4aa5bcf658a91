"""SimCLR: two views of an image should agree, views of other images should differ.

Source: Chen et al., *A Simple Framework for Contrastive Learning*, 2020 (arXiv 2002.05709), algorithm 1 and equation 1.
Scaled from 224 x 224: colour distortion of strength 0.5 and temperature 0.5, the paper's values for small images
(appendix B.9), though with its blur, of 9 pixels; Adam and the study's batches instead of LARS and thousands of images.
Shapes: N images, D latent values, 128 values of a projection.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from pse_repro.data.augment.simclr import distortion
from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.base import Batch, Objective, Setup

PROJECTION = 128


def similarities(first_ND: Tensor, second_ND: Tensor) -> Tensor:
    """Return cosine similarities (2N, 2N) of all views, -inf on the diagonal; the first N rows are the first views."""
    with torch.autocast(first_ND.device.type, enabled=False):
        views_VD = normalize(torch.cat([first_ND, second_ND]).float())
        return (views_VD @ views_VD.T).fill_diagonal_(-torch.inf)


def other_view(similarities_VV: Tensor) -> Tensor:
    """Return the row (2N,) of each view's other view."""
    views = len(similarities_VV)
    return torch.arange(views, device=similarities_VV.device).roll(views // 2)


def nt_xent(similarities_VV: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy of identifying each view's other view among all but itself, averaged over 2N views."""
    return cross_entropy(similarities_VV / temperature, other_view(similarities_VV))


class SimCLR(Objective[EncoderWithHead]):
    """NT-Xent of the projections of two distorted views; the projection head is discarded afterwards."""

    crops = False  # both views would share the border, and have a random crop of their own

    def __init__(self, setup: Setup, temperature: float = 0.5) -> None:
        super().__init__(setup)
        self.temperature = temperature
        self.chance = 100 / (2 * setup.batch_size - 1)  # all views but the image's own
        self.distort = distortion()

    def network(self) -> EncoderWithHead:
        size = ENCODERS[self.setup.encoder].latent_size
        head = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, PROJECTION))
        return EncoderWithHead(build_encoder(self.setup.encoder), head)

    def loss(self, network: EncoderWithHead, batch: Batch) -> Tensor:
        return nt_xent(self._similarities(network, batch), self.temperature)

    def measures(self, network: EncoderWithHead, batch: Batch) -> dict[str, Tensor]:
        """Return the loss, and the percentage of views whose nearest neighbour is their other view."""
        found = self._similarities(network, batch)
        is_nearest = found.argmax(1) == other_view(found)
        return {"loss": nt_xent(found, self.temperature), "accuracy": 100 * is_nearest.float().mean()}

    def _similarities(self, network: EncoderWithHead, batch: Batch) -> Tensor:
        views = self.distort(torch.cat([batch.images, batch.images]))
        return similarities(*network(views).chunk(2))
