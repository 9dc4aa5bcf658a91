"""Barlow Twins: the correlation of two views' embeddings, over the images, should be the identity matrix.

Source: Zbontar et al., *Barlow Twins: Self-Supervised Learning via Redundancy Reduction*, 2021 (arXiv 2103.03230),
equations 1 and 2, with the weight of section 2.2. Embeddings are standardised as in the authors' code, by a BatchNorm
without weights.
Scaled from 224 x 224: embeddings of 1,024 values by three layers (there 8,192, also four times the latent).
Shapes: N images, V = 2N views, D = 1,024 values of an embedding.
"""

import torch
from torch import Tensor
from torch.nn.functional import batch_norm

from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.base import Batch
from pse_repro.objectives.shared.views import WIDTH, TwoViews, mlp

REDUNDANCY_WEIGHT = 5e-3


def barlow_twins(views_VD: Tensor, weight: float = REDUNDANCY_WEIGHT) -> Tensor:
    """Return the squared distance to the identity, off its diagonal times the weight, in float32; N is at least 2."""
    with torch.autocast(views_VD.device.type, enabled=False):
        first_ND, second_ND = (batch_norm(each, None, None, training=True) for each in views_VD.float().chunk(2))
        correlation_DD = first_ND.T @ second_ND / len(first_ND)
        on_diagonal = (1 - correlation_DD.diagonal()).square().sum()
        return on_diagonal + weight * correlation_DD.fill_diagonal_(0).square().sum()


class BarlowTwins(TwoViews[EncoderWithHead]):
    """Barlow Twins' loss of two distorted views; the projector, its head, is discarded afterwards."""

    def network(self) -> EncoderWithHead:
        projector = mlp(ENCODERS[self.setup.encoder].latent_size, WIDTH, WIDTH, WIDTH, bias=False)
        return EncoderWithHead(build_encoder(self.setup.encoder), projector)

    def compared(self, network: EncoderWithHead, batch: Batch) -> tuple[Tensor, Tensor]:
        views_VD = network(self.views(batch))
        return barlow_twins(views_VD), views_VD
