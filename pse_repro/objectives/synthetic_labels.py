"""Free labels of rendered scenes: edges, depth and normals, predicted from latents that also suit real images.

    edges + depth + normals + 0.1 * (the discriminator, confused) + (the discriminator's own loss)

Source: Z. Ren and Y. J. Lee, *Cross-Domain Self-supervised Multi-task Feature Learning using Synthetic Imagery*, 2018
(arXiv 1711.09082), section 3: three tasks on synthetic images, and an adversarial loss that makes the features of real
images similar to theirs. Changed for 96 x 96 and one latent vector per image: scenes are rendered on the fly
(`pse_repro.objectives.shared.rendered_scenes`) instead of coming from data sets of rooms and streets; labels have
24 x 24 cells; the discriminator classifies latents, not maps. The encoder is trained to leave the discriminator
undecided (the domain confusion of E. Tzeng et al., *Simultaneous Deep Transfer Across Domains and Tasks*, 2015). An
encoder trained to deceive it overshoots: on photographs, the discriminator's accuracy fell to a tenth, while with
confusion it stays near a half.
Shapes: N images of a step, of which the first half are real; S scenes, the other half; h = w = 24 cells.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pse_repro.models import ENCODERS, build_encoder
from pse_repro.objectives.base import Batch, Objective
from pse_repro.objectives.shared.frozen import frozen_call
from pse_repro.objectives.shared.rendered_scenes import Scenes, draw, render

CELL = 4  # pixels
DOMAIN_WEIGHT = 0.1  # of confusing the discriminator; the three tasks have 1 each


class SyntheticLabelsNetwork(nn.Module):
    """The encoder, a small decoder from latents to five maps (S, 5, h, w), and the domain discriminator."""

    def __init__(self, encoder: str) -> None:
        super().__init__()
        size = ENCODERS[encoder].latent_size
        self.encoder = build_encoder(encoder)
        self.decoder = nn.Sequential(
            nn.Linear(size, 64 * 6 * 6), nn.Unflatten(1, (64, 6, 6)), nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(64, 64, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(32, 5, 3, padding=1),
        )  # fmt: skip
        # on normalised latents, so that their length alone cannot deceive it
        judge = (nn.Linear(size, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1))
        self.discriminator = nn.Sequential(nn.LayerNorm(size, elementwise_affine=False), *judge)


class SyntheticLabels(Objective[SyntheticLabelsNetwork]):
    """Three tasks on scenes, and domain confusion. A step encodes half of the batch, and scenes for the other half."""

    def network(self) -> SyntheticLabelsNetwork:
        return SyntheticLabelsNetwork(self.setup.encoder)

    def loss(self, network: SyntheticLabelsNetwork, batch: Batch) -> Tensor:
        tasks, latents_ND, is_real = self._forward(network, batch)
        confused = domain_loss(frozen_call(network.discriminator, latents_ND), torch.full_like(is_real, 0.5))
        judged = domain_loss(network.discriminator(latents_ND.detach()), is_real)
        return total(tasks) + DOMAIN_WEIGHT * confused + judged

    def measures(self, network: SyntheticLabelsNetwork, batch: Batch) -> dict[str, Tensor]:
        """Return the tasks' "loss", each task's loss, and "domain_accuracy", the discriminator's, in percent."""
        tasks, latents_ND, is_real = self._forward(network, batch)
        says_real = network.discriminator(latents_ND)[:, 0] > 0
        return {"loss": total(tasks)} | tasks | {"domain_accuracy": 100 * (says_real == is_real).float().mean()}

    def _forward(self, network: SyntheticLabelsNetwork, batch: Batch) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return the tasks' losses, the latents of real images and scenes, and 1.0 for real images, else 0.0."""
        real = len(batch.images) // 2
        scenes = render(draw(len(batch.images) - real).to(self.setup.device, non_blocking=True))
        latents_ND = network.encoder(torch.cat([batch.images[:real], scenes.images_NCHW]))
        is_real = (torch.arange(len(latents_ND), device=latents_ND.device) < real).float()
        return task_losses(network.decoder(latents_ND[real:]), scenes), latents_ND, is_real


def task_losses(maps_SChw: Tensor, scenes: Scenes) -> dict[str, Tensor]:
    """Return the losses "edges", "depth" and "normals" of the maps (S, 5, h, w).

    The maps are edge logits, depth, and normals of any length. Edges: cross-entropy in which cells with and without an
    edge have the same total weight. Depth: mean absolute error, in half sides of the image, relative to each scene's
    mean, which a parallel projection does not show. Normals: 1 - cosine.
    """
    logits_Shw, depth_Shw, normals_SChw = maps_SChw.float().split([1, 1, 3], 1)
    edges = F.max_pool2d(scenes.edges_NHW[:, None], CELL)
    share = edges.mean()
    weights = torch.where(edges > 0, 1 - share, share)
    wrong = _relative(depth_Shw) - _relative(F.avg_pool2d(scenes.depth_NHW[:, None], CELL))
    cosine = F.cosine_similarity(normals_SChw, F.avg_pool2d(scenes.normals_NCHW, CELL), dim=1)
    return {
        "edges": F.binary_cross_entropy_with_logits(logits_Shw, edges, weights, reduction="sum")
        / weights.sum().clamp_min(1e-6),
        "depth": wrong.abs().mean(),
        "normals": 1 - cosine.mean(),
    }


def total(tasks: dict[str, Tensor]) -> Tensor:
    """Return the sum of the tasks' losses."""
    return torch.stack(list(tasks.values())).sum()


def _relative(depth_SChw: Tensor) -> Tensor:
    return depth_SChw - depth_SChw.mean((2, 3), keepdim=True)


def domain_loss(logits_N1: Tensor, is_real: Tensor) -> Tensor:
    """Return the cross-entropy of the discriminator's logits, in float32: 0.6931 if it is undecided."""
    return F.binary_cross_entropy_with_logits(logits_N1[:, 0].float(), is_real)
