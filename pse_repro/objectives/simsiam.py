"""SimSiam: from one view's embedding the other's is predicted, which gets no gradient; only this prevents a collapse.

Source: Chen and He, *Exploring Simple Siamese Representation Learning*, 2020 (arXiv 2011.10566), equations 1 to 4 and
section 3: projector of three layers, BatchNorm without weights after its last, and a predictor with a bottleneck.
Scaled from 224 x 224: embeddings of 1,024 values, a bottleneck of a quarter (there 2,048 and a quarter); Adam, for
all layers alike. The loss is the paper's plus 1, so that it is not negative.
Shapes: V views, twice the images; D = 1,024 values of an embedding.
"""

from torch import Tensor, nn

from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.base import Batch
from pse_repro.objectives.shared.views import WIDTH, TwoViews, cosine_distance, mlp, swapped


class SimSiamNetwork(EncoderWithHead):
    """The encoder, the projector, and a predictor of the other view's projection."""

    def __init__(self, encoder: str) -> None:
        size = ENCODERS[encoder].latent_size
        last = nn.BatchNorm1d(WIDTH, affine=False)
        super().__init__(build_encoder(encoder), nn.Sequential(mlp(size, WIDTH, WIDTH, WIDTH, bias=False), last))
        self.predictor = mlp(WIDTH, WIDTH // 4, WIDTH)


class SimSiam(TwoViews[SimSiamNetwork]):
    """Cosine distance of each view's prediction to the other view's projection.

    The last epoch is kept: a collapsed network has the lowest loss of all, so a low one does not tell good features.
    """

    keeps = "last"

    def network(self) -> SimSiamNetwork:
        return SimSiamNetwork(self.setup.encoder)

    def compared(self, network: SimSiamNetwork, batch: Batch) -> tuple[Tensor, Tensor]:
        projected_VD = network(self.views(batch))
        predicted_VD = network.predictor(projected_VD)
        return cosine_distance(predicted_VD, swapped(projected_VD.detach())), projected_VD
