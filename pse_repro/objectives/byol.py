"""BYOL: from one view's embedding that of the other view is predicted, as a slowly moving copy of the network has it.

Source: Grill et al., *Bootstrap Your Own Latent*, 2020 (arXiv 2006.07733), section 3.1, equations 1 and 2. The copy
follows before it is used, not after the optimizer's step; this is the same for every step, as both start out equal.
Scaled from 224 x 224: heads' hidden layers of 1,024 values (there 4,096), projections of 256 as there; Adam instead of
LARS. The momentum is a constant 0.99, which the paper's ablations begin with (300 epochs); there it grows to 1. The
views have one distribution; there only one of them is always blurred, and the other one sometimes solarised.
Shapes: V views, twice the images; D = 256 values of a projection.
"""

from torch import Tensor

from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.base import Batch
from pse_repro.objectives.shared.views import WIDTH, MomentumCopy, TwoViews, cosine_distance, mlp, swapped

PROJECTION = 256
MOMENTUM = 0.99


class BYOLNetwork(EncoderWithHead):
    """The encoder, the projector, the predictor, and the target: a moving average of encoder and projector."""

    def __init__(self, encoder: str) -> None:
        super().__init__(build_encoder(encoder), mlp(ENCODERS[encoder].latent_size, WIDTH, PROJECTION))
        self.predictor = mlp(PROJECTION, WIDTH, PROJECTION)
        self.target = MomentumCopy(self, MOMENTUM)


class BYOL(TwoViews[BYOLNetwork]):
    """Squared distance of each view's prediction and the target's projection of the other view, both of unit length.

    The last epoch is kept: the loss refers to a target that moves, and a collapsed network has the lowest of all.
    """

    keeps = "last"

    def network(self) -> BYOLNetwork:
        return BYOLNetwork(self.setup.encoder)

    def compared(self, network: BYOLNetwork, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss, summed over both directions as in the paper, and the projections (V, D)."""
        if batch.training:
            network.target.follow(network)
        views = self.views(batch)
        projected_VD = network(views)
        distance = cosine_distance(network.predictor(projected_VD), swapped(network.target(views)))
        return 4 * distance, projected_VD  # two directions, and |a - b|^2 = 2 (1 - cosine)
