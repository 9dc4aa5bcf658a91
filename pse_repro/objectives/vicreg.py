"""VICReg: two views have one embedding, whose values vary over the images and are not correlated with each other.

Source: Bardes, Ponce and LeCun, *VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning*,
2021 (arXiv 2105.04906), section 4.1, equations 1 to 6, with the weights of its section 4.2. Where equations and the
authors' released code differ, this is the code: squared distances are averaged over the values, too, and the variance
term over the two views.
Scaled from 224 x 224: embeddings of 1,024 values by three layers (there 8,192, also four times the latent).
Shapes: N images, V = 2N views, D = 1,024 values of an embedding.
"""

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.base import Batch
from pse_repro.objectives.shared.views import WIDTH, TwoViews, mlp

INVARIANCE_WEIGHT, VARIANCE_WEIGHT, COVARIANCE_WEIGHT = 25.0, 25.0, 1.0
TARGET_DEVIATION = 1.0
VARIANCE_FLOOR = 1e-4  # added before the root, whose slope at 0 is infinite


def vicreg(views_VD: Tensor) -> Tensor:
    """Return the weighted sum of invariance, variance and covariance, in float32; N is at least 2."""
    with torch.autocast(views_VD.device.type, enabled=False):
        first_ND, second_ND = views_VD.float().chunk(2)
        both = (first_ND, second_ND)
        invariance = mse_loss(first_ND, second_ND)
        variance = sum(variance_term(each) for each in both) / 2
        covariance = sum(covariance_term(each) for each in both)
        return INVARIANCE_WEIGHT * invariance + VARIANCE_WEIGHT * variance + COVARIANCE_WEIGHT * covariance


def variance_term(view_ND: Tensor) -> Tensor:
    """Return how far the values' standard deviations over the images are below 1, averaged (equation 1)."""
    return (TARGET_DEVIATION - (view_ND.var(0) + VARIANCE_FLOOR).sqrt()).relu().mean()


def covariance_term(view_ND: Tensor) -> Tensor:
    """Return the sum of squared covariances of different values over D (equations 3 and 4)."""
    centred_ND = view_ND - view_ND.mean(0)
    covariance_DD = centred_ND.T @ centred_ND / (len(view_ND) - 1)
    return covariance_DD.fill_diagonal_(0).square().sum() / view_ND.shape[1]


class VICReg(TwoViews[EncoderWithHead]):
    """VICReg of two distorted views; the expander, its head, is discarded afterwards."""

    def network(self) -> EncoderWithHead:
        expander = mlp(ENCODERS[self.setup.encoder].latent_size, WIDTH, WIDTH, WIDTH, bias=False)
        return EncoderWithHead(build_encoder(self.setup.encoder), expander)

    def compared(self, network: EncoderWithHead, batch: Batch) -> tuple[Tensor, Tensor]:
        views_VD = network(self.views(batch))
        return vicreg(views_VD), views_VD
