"""Two distorted views of each image: what the objectives that compare them share.

The views are SimCLR's, both from one distribution: no solarisation, and as much blur in the one as in the other. They
pass the encoder together, so that BatchNorm's statistics in training are over both. All these objectives report how
often a view's nearest neighbour is the image's other view: by chance, in 100 / (2N - 1) % of the views.
Shapes: N images, V = 2N views, the first views of all images before the second ones; D values of an embedding.
"""

from abc import abstractmethod
from copy import deepcopy
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.optim.swa_utils import get_ema_multi_avg_fn

from pse_repro.data.augment.simclr import distortion
from pse_repro.models import EncoderWithHead
from pse_repro.objectives.base import Batch, Network, Objective, Setup

WIDTH = 1024  # of the heads' hidden layers: four times the CNN's latent


class TwoViews(Objective[Network]):
    """Base of objectives that compare two distorted views of each image."""

    crops = False  # both views would share the border, and have a random crop of their own
    contrastive: ClassVar[bool] = False  # True if other images push views apart, which excludes a collapse

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.chance = 100 / (2 * setup.batch_size - 1)
        self.distort = distortion()

    @abstractmethod
    def compared(self, network: Network, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss, and the embeddings (V, D) by which the views are to be told apart."""

    def loss(self, network: Network, batch: Batch) -> Tensor:
        return self.compared(network, batch)[0]

    def measures(self, network: Network, batch: Batch) -> dict[str, Tensor]:
        """Return the loss, the percentage of views whose nearest one is their other view, and the spread."""
        loss, views_VD = self.compared(network, batch)
        found = {"loss": loss, "accuracy": accuracy(views_VD)}
        return found if self.contrastive else found | {"spread": spread(views_VD)}

    def views(self, batch: Batch) -> Tensor:
        """Return two distorted views of each image (V, 3, 96, 96)."""
        return self.distort(torch.cat([batch.images, batch.images]))


def swapped(each_VD: Tensor) -> Tensor:
    """Return, for each view, what belongs to the image's other view."""
    return each_VD.roll(len(each_VD) // 2, 0)


def similarities(views_VD: Tensor) -> Tensor:
    """Return cosine similarities (V, V) of all views, -inf on the diagonal, in float32."""
    with torch.autocast(views_VD.device.type, enabled=False):
        directions_VD = normalize(views_VD.float())
        return (directions_VD @ directions_VD.T).fill_diagonal_(-torch.inf)


def other_view(views: int, device: torch.device) -> Tensor:
    """Return the number (V,) of each view's other view."""
    return swapped(torch.arange(views, device=device))


def accuracy(views_VD: Tensor) -> Tensor:
    """Return the percentage of views whose nearest neighbour is their other view."""
    is_other = similarities(views_VD).argmax(1) == other_view(len(views_VD), views_VD.device)
    return 100 * is_other.float().mean()


def spread(views_VD: Tensor) -> Tensor:
    """Return the standard deviation of the directions' values, averaged over the values and times sqrt(D).

    0 if all views have one direction (a collapse), near 1 if directions are spread evenly (arXiv 2011.10566, section
    4.1, which leaves out the factor).
    """
    directions_VD = normalize(views_VD.float())
    return directions_VD.std(0, correction=0).mean() * directions_VD.shape[1] ** 0.5


def cosine_distance(predicted_VD: Tensor, target_VD: Tensor) -> Tensor:
    """Return 1 minus the cosine of prediction and target, averaged over the views, in float32."""
    return 1 - (normalize(predicted_VD.float()) * normalize(target_VD.float())).sum(1).mean()


def projector(latent_size: int, size: int = 128) -> nn.Module:
    """Build SimCLR's head, also MoCo's second one: a hidden layer as wide as the latent, without BatchNorm."""
    return nn.Sequential(nn.Linear(latent_size, latent_size), nn.ReLU(), nn.Linear(latent_size, size))


def mlp(*widths: int, bias: bool = True) -> nn.Module:
    """Build linear layers of these widths, with BatchNorm and ReLU between them; `bias` is the last layer's."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths[:-1]):
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1], bias=bias))


class MomentumCopy(EncoderWithHead):
    """A copy of an encoder and its head that is not trained: its weights follow theirs as a moving average.

    Its BatchNorm is not averaged: in training it uses its own batch's statistics, and it has running ones of its own
    for validation. `momentum` is constant, because what grows with `progress` would keep a step from being captured.
    """

    def __init__(self, network: EncoderWithHead, momentum: float) -> None:
        super().__init__(deepcopy(network.encoder), deepcopy(network.head))
        self.requires_grad_(False)
        self.average = get_ema_multi_avg_fn(momentum)

    @torch.no_grad()
    def follow(self, network: EncoderWithHead) -> None:
        """Move the weights towards the network's: once a step, before the copy is used."""
        weights = dict(self.named_parameters())
        self.average([*weights.values()], [network.get_parameter(name) for name in weights], None)

    @torch.no_grad()
    def forward(self, images_NCHW: Tensor) -> Tensor:
        return super().forward(images_NCHW)
