"""Patch location: the position of a patch among the eight neighbours of another is predicted.

Source: Doersch, Gupta and Efros, *Unsupervised Visual Representation Learning by Context Prediction*, 2015 (arXiv
1505.05192), section 3 and, for the precautions against shortcuts, section 3.1. Scaled from patches of 96 pixels:
patches of 22, gaps of 11 (there 48), each patch moved by up to 2 pixels (there 7), so that the grid fits into 96.
The middle patch is part of all eight pairs; in the paper each patch is part of up to eight.
Deviation: no patch is down-sampled (there some are, against pixelation).
Shapes: N images, D latent values; the nine patches of an image by rows, the middle one is the fifth.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from pse_repro.data.batches import to_device
from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.base import Setup
from pse_repro.objectives.shared.pretext import Pretext, pretext_head
from pse_repro.objectives.shared.tiles import GRID, cut, grid_places, grid_tiles, tile_latents

PATCH, GAP, JITTER = 22, 11, 2  # pixels
NEIGHBOURS, MIDDLE = 8, 4
NOISE = 1 / 100  # of the kept channel's standard deviation, in dropped channels

Colour = Literal["projected", "dropped", "kept"]


class PairNetwork(EncoderWithHead):
    """One encoder for all patches, and a head on a pair's concatenated latents (late fusion): logits (N, 8, 8).

    The second index is the neighbour that is paired with the middle patch.
    """

    def forward(self, patches_N9CHW: Tensor) -> Tensor:
        latents = tile_latents(self.encoder, patches_N9CHW)
        middle = latents[:, MIDDLE : MIDDLE + 1].expand(-1, NEIGHBOURS, -1)
        neighbours = torch.cat([latents[:, :MIDDLE], latents[:, MIDDLE + 1 :]], 1)
        logits: Tensor = self.head(torch.cat([middle, neighbours], 2))
        return logits


class PatchLocation(Pretext[PairNetwork]):
    """Cross-entropy of the eight locations.

    With `gap` False, the patches adjoin without jitter. `colour` is the precaution against chromatic aberration:
    "projected" removes the axis from green to magenta, as part of the encoder, and so in its evaluations, too;
    "dropped" keeps only one channel of each patch; "kept" does nothing.
    """

    crops = False  # a patch's border would tell its location: 16 % right instead of 12.5 on images without content
    chance = 100 / NEIGHBOURS

    def __init__(self, setup: Setup, gap: bool = True, colour: Colour = "projected") -> None:
        super().__init__(setup)
        self.gap, self.colour = gap, colour

    def network(self) -> PairNetwork:
        encoder = build_encoder(self.setup.encoder)
        if self.colour == "projected":
            encoder = nn.Sequential(ColourProjection(), encoder)
        return PairNetwork(encoder, pretext_head(2 * ENCODERS[self.setup.encoder].latent_size, NEIGHBOURS))

    def classified(self, network: PairNetwork, images_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        patches = grid_patches(images_NCHW) if self.gap else grid_tiles(images_NCHW, PATCH, gap=False)
        if self.colour == "dropped":
            patches = drop_colours(patches)
        locations = torch.arange(NEIGHBOURS, device=images_NCHW.device).repeat(len(images_NCHW))
        return network(patches).flatten(0, 1), locations


def grid_patches(images_NCHW: Tensor) -> Tensor:
    """Return the 3 x 3 patches (N, 9, 3, 22, 22) of a grid at a random position, each jittered separately."""
    count, side = len(images_NCHW), images_NCHW.shape[-1]
    room = side - (GRID * PATCH + (GRID - 1) * GAP + 2 * JITTER)
    start = torch.randint(room + 1, (count, 1, 2))
    moves = torch.randint(2 * JITTER + 1, (count, GRID * GRID, 2))
    return cut(images_NCHW, grid_places(PATCH + GAP) + start + moves, PATCH)


class ColourProjection(nn.Module):
    """Removes the component of each pixel's colour along a = (-1, 2, -1), green to magenta, from images (N, 3, H, W).

    It applies I - a a^T / (a^T a) to every pixel.
    """

    def forward(self, images_NCHW: Tensor) -> Tensor:
        red, green, blue = images_NCHW.unbind(1)
        part = (2 * green - red - blue) / 6
        projected = torch.stack([red + part, green - 2 * part, blue + part], 1)
        return projected.contiguous(memory_format=torch.channels_last)


def drop_colours(patches_NTCHW: Tensor) -> Tensor:
    """Keep one random channel of each patch; fill the others with its mean, and noise of 1/100 of its deviation."""
    count, number, channels = patches_NTCHW.shape[:3]
    device = patches_NTCHW.device
    kept = torch.randint(channels, (count, number, 1, 1, 1)).to(device, non_blocking=True)
    noise = to_device(torch.randn(patches_NTCHW.shape), device)  # too large a copy for memory that is not pinned
    channel = patches_NTCHW.take_along_dim(kept, 2)
    deviation, mean = torch.std_mean(channel, (3, 4), keepdim=True)
    is_kept = torch.arange(channels, device=device)[:, None, None] == kept
    return torch.where(is_kept, patches_NTCHW, mean + NOISE * deviation * noise)
