"""SimCLR: two views of an image should agree, views of other images should differ.

Source: Chen et al., *A Simple Framework for Contrastive Learning*, 2020 (arXiv 2002.05709), algorithm 1 and equation 1.
Scaled from 224 x 224: colour distortion of strength 0.5 and temperature 0.5, the paper's values for small images
(appendix B.9), though with its blur, of 9 pixels; Adam and the study's batches instead of LARS and thousands of images.
Shapes: N images, V = 2N views, D = 128 values of a projection.
"""

from torch import Tensor
from torch.nn.functional import cross_entropy

from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.base import Batch, Setup
from pse_repro.objectives.shared.views import TwoViews, other_view, projector, similarities


def nt_xent(views_VD: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy of identifying each view's other view among all but itself, averaged over the views."""
    logits_VV = similarities(views_VD) / temperature
    return cross_entropy(logits_VV, other_view(len(views_VD), views_VD.device))


class SimCLR(TwoViews[EncoderWithHead]):
    """NT-Xent of the projections of two distorted views; the projection head is discarded afterwards."""

    contrastive = True

    def __init__(self, setup: Setup, temperature: float = 0.5) -> None:
        super().__init__(setup)
        self.temperature = temperature

    def network(self) -> EncoderWithHead:
        head = projector(ENCODERS[self.setup.encoder].latent_size)
        return EncoderWithHead(build_encoder(self.setup.encoder), head)

    def compared(self, network: EncoderWithHead, batch: Batch) -> tuple[Tensor, Tensor]:
        views_VD = network(self.views(batch))
        return nt_xent(views_VD, self.temperature), views_VD
