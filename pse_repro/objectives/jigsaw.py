"""Jigsaw: the permutation of an image's nine shuffled tiles is predicted.

Source: Noroozi and Favaro, *Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles*, 2016 (arXiv
1603.09246), section 3 and, for the precautions against shortcuts, section 4 and table 5. Scaled from windows of 225
pixels: tiles of 24 in cells of 32 (there 64 in 75), so 8 pixels apart on average (there 11), and the channels of a
tile moved by up to 1 pixel (there 2), which is the paper's colour jitter, against chromatic aberration.
The set of 100 permutations is the default, because the paper's table 5 has the figures of that row of its table 4.
Deviation: the share of grey images (there 30 %) is left out.
Shapes: N images, D latent values, P permutations.
"""

import torch
from torch import Tensor, nn

from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.base import Setup
from pse_repro.objectives.shared.permutations import TILES, load
from pse_repro.objectives.shared.pretext import Pretext, pretext_head
from pse_repro.objectives.shared.tiles import grid_tiles, reordered, tile_latents

TILE_SIDE = 24  # pixels
JITTER = 1  # pixels
FLAT = 1 / 255  # standard deviations this small are not texture, and must not be amplified


class JigsawNetwork(EncoderWithHead):
    """One encoder for all tiles, and a head on their latents, concatenated in input order: logits (N, P)."""

    def forward(self, tiles_N9CHW: Tensor) -> Tensor:
        logits: Tensor = self.head(tile_latents(self.encoder, tiles_N9CHW).flatten(1))
        return logits


class Jigsaw(Pretext[JigsawNetwork]):
    """Cross-entropy of the permutations; `permutations` names a stored set.

    `gap`, `jitter` and `normalise` are the three precautions: gaps between tiles, shifted colour channels, and mean 0
    and standard deviation 1 per tile and channel. The last one is part of the encoder, which therefore also normalises
    whole images in its evaluations.
    """

    crops = False  # a tile's border would tell its side of the image: 8 % right instead of 1 on images without content

    def __init__(
        self, setup: Setup, permutations: str = "100", gap: bool = True, jitter: bool = True, normalise: bool = True
    ) -> None:
        super().__init__(setup)
        self.orders_P9 = torch.from_numpy(load(permutations))
        self.chance = 100 / len(self.orders_P9)
        self.gap, self.jitter, self.normalise = gap, jitter, normalise

    def network(self) -> JigsawNetwork:
        encoder = build_encoder(self.setup.encoder)
        if self.normalise:
            encoder = nn.Sequential(nn.InstanceNorm2d(3, eps=FLAT**2), encoder)
        head = pretext_head(TILES * ENCODERS[self.setup.encoder].latent_size, len(self.orders_P9))
        return JigsawNetwork(encoder, head)

    def classified(self, network: JigsawNetwork, images_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        tiles = grid_tiles(images_NCHW, TILE_SIDE, self.gap)
        if self.jitter:
            tiles = move_channels(tiles, JITTER)
        classes = torch.randint(len(self.orders_P9), (len(tiles),))
        shuffled = reordered(tiles, self.orders_P9[classes])
        return network(shuffled), classes.to(shuffled.device, non_blocking=True)


def move_channels(tiles_NTCHW: Tensor, reach: int) -> Tensor:
    """Return the tiles (N, T, C, s, s) with each channel shifted separately by -`reach` to `reach` pixels in x and y.

    Pixels from outside the tile repeat its edge.
    """
    size, device = tiles_NTCHW.shape[-1], tiles_NTCHW.device
    moves = torch.randint(-reach, reach + 1, (*tiles_NTCHW.shape[:3], 2)).to(device, non_blocking=True)
    x, y = (moves[..., None] + torch.arange(size, device=device)).clamp(0, size - 1).unbind(-2)
    pixels = (y[..., :, None] * size + x[..., None, :]).flatten(3)
    return tiles_NTCHW.flatten(3).gather(3, pixels).unflatten(3, (size, size))
