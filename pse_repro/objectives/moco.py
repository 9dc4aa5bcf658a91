"""MoCo: a view's query is to find the other view's key among a queue of past keys, made by a slowly moving encoder.

Source: He et al., *Momentum Contrast for Unsupervised Visual Representation Learning*, 2019 (arXiv 1911.05722),
algorithm 1; Chen et al., *Improved Baselines with Momentum Contrastive Learning*, 2020 (arXiv 2003.04297): its head,
distortions and temperature 0.2. As in the authors' example for small images, both views are queries and keys in turn,
the momentum is 0.99 and the queue has 4,096 keys (for 224 x 224: one direction, 0.999 and 65,536 keys); here a quarter
of the images at most, so that an image seldom meets its own key of the epoch before.
The paper shuffles images between devices, so that BatchNorm cannot give keys away (section 3.3). One device cannot: a
view and its key are normalised among the same other images, though by other weights and in another pass.
Shapes: N images, V = 2N views, D = 128 values of a query or key, K keys in the queue.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.base import Batch, Setup
from pse_repro.objectives.shared.views import MomentumCopy, TwoViews, projector, swapped

MOMENTUM = 0.99
TEMPERATURE = 0.2
KEY = 128
KEYS = 4096


def info_nce(queries_VD: Tensor, keys_VD: Tensor, others_KD: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Return the cross-entropy of identifying each query's key among it and the others; all are of unit length."""
    with torch.autocast(queries_VD.device.type, enabled=False):
        own_V1 = (queries_VD * keys_VD).sum(1, keepdim=True)
        logits = torch.cat([own_V1, queries_VD @ others_KD.T], 1) / temperature
        return cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))


class MoCoNetwork(EncoderWithHead):
    """The encoder, its head, their moving average for the keys, and the queue, which begins with random directions."""

    def __init__(self, encoder: str, keys: int) -> None:
        super().__init__(build_encoder(encoder), projector(ENCODERS[encoder].latent_size, KEY))
        self.momentum = MomentumCopy(self, MOMENTUM)
        self.queue_KD: Tensor
        self.oldest: Tensor  # number of the key that is replaced next
        self.register_buffer("queue_KD", normalize(torch.randn(keys, KEY)))
        self.register_buffer("oldest", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def enqueue(self, keys_VD: Tensor) -> None:
        """Replace the V oldest keys; V is at most K."""
        numbers_V = (self.oldest + torch.arange(len(keys_VD), device=keys_VD.device)) % len(self.queue_KD)
        self.queue_KD[numbers_V] = keys_VD
        self.oldest.copy_((self.oldest + len(keys_VD)) % len(self.queue_KD))


class MoCo(TwoViews[MoCoNetwork]):
    """InfoNCE of each view's query with the other view's key, against the keys of earlier batches.

    The last epoch is kept, because every epoch's losses refer to another queue, the first ones to random directions,
    which are easy to distinguish. Validation reads the queue and leaves it as it is.
    """

    keeps = "last"
    contrastive = True

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.keys = max(2 * setup.batch_size, min(KEYS, setup.train_images // 4))

    def network(self) -> MoCoNetwork:
        return MoCoNetwork(self.setup.encoder, self.keys)

    def compared(self, network: MoCoNetwork, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss and the queries (V, D); in training, of the queue before the batch's keys enter it."""
        if batch.training:
            network.momentum.follow(network)
        views = self.views(batch)
        queries_VD, keys_VD = (normalize(each(views).float()) for each in (network, network.momentum))
        loss = info_nce(queries_VD, swapped(keys_VD), network.queue_KD.clone())
        if batch.training:
            network.enqueue(keys_VD)
        return loss, queries_VD
