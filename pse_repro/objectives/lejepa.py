"""LeJEPA: two views have one embedding, and embeddings are distributed like a standard normal variable.

Source: Balestriero and LeCun, *LeJEPA: Provable and Scalable Self-Supervised Learning Without the Heuristics*, 2025
(arXiv 2511.08544): SIGReg by the test of Epps and Pulley along random directions, and its default weight 0.05. Points
and range of the integral are those of the authors' released code, 17 from -3 to 3 by symmetry (in the paper -5 to 5).
Scaled from 224 x 224: the two views of the other objectives, both global and none local; 256 directions, drawn for
each batch (there 1,024); a head of 1,024 hidden values (there 2,048) and 64 outputs.
Shapes: N images, V = 2N views, D = 64 values of an embedding, S directions, T points.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pse_repro.data.batches import to_device
from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.base import Batch
from pse_repro.objectives.shared.views import WIDTH, TwoViews, mlp

EMBEDDING = 64
WEIGHT = 0.05
DIRECTIONS = 256
POINTS, LAST_POINT = 17, 3.0


def lejepa(views_VD: Tensor, directions_DS: Tensor) -> Tensor:
    """Return the views' squared distance to their mean and, weighted, their distance to a normal one, in float32."""
    with torch.autocast(views_VD.device.type, enabled=False):
        both_2ND = views_VD.float().unflatten(0, (2, -1))
        prediction = (both_2ND - both_2ND.mean(0)).square().mean()
        return (1 - WEIGHT) * prediction + WEIGHT * sigreg(both_2ND, directions_DS)


def sigreg(views_2ND: Tensor, directions_DS: Tensor) -> Tensor:
    """Return N times the distance to a standard normal variable, averaged over directions and views.

    The distance, along a direction, is that of characteristic functions, squared and integrated with the weight
    exp(-t^2 / 2), by the trapezoidal rule; the integrand is even, so twice that over positive t.
    """
    points_T = torch.linspace(0, LAST_POINT, POINTS, device=views_2ND.device)
    normal_T = (-points_T.square() / 2).exp()
    turned = (views_2ND @ directions_DS)[..., None] * points_T
    error_2ST = (turned.cos().mean(1) - normal_T).square() + turned.sin().mean(1).square()
    return 2 * views_2ND.shape[1] * torch.trapezoid(error_2ST * normal_T, points_T).mean()


class LeJEPA(TwoViews[EncoderWithHead]):
    """LeJEPA's loss of two distorted views: no stopped gradients, no copy of the network; the head is discarded."""

    def network(self) -> EncoderWithHead:
        head = mlp(ENCODERS[self.setup.encoder].latent_size, WIDTH, WIDTH, EMBEDDING)
        return EncoderWithHead(build_encoder(self.setup.encoder), head)

    def compared(self, network: EncoderWithHead, batch: Batch) -> tuple[Tensor, Tensor]:
        views_VD = network(self.views(batch))
        directions_DS = normalize(torch.randn(views_VD.shape[1], DIRECTIONS), dim=0)
        return lejepa(views_VD, to_device(directions_DS, views_VD.device)), views_VD
