"""PIRL: an image and its transformed version share a representation, stored in a memory bank for every image.

Source: Misra and van der Maaten, *Self-Supervised Learning of Pretext-Invariant Representations*, 2019 (arXiv
1912.01991), equations 3 to 5 and section 3. Temperature 0.07, moving average 0.5 and lambda 0.5 are the paper's.
Scaled from 224 x 224: the 9 tiles, of 24 pixels from cells of 32 (there 64 of 85), are encoded as small images. There
are 1,024 negatives (there 32,000), or all images if there are fewer. They are drawn once per batch, not per image, so
that one matrix product compares them all. `MemoryBank` explains the bank's initial state, `PIRL` the kept epoch.
Equations 3 and 4 are taken literally: the negative term does not change if all negatives come closer alike, and makes
0.2 to 0.7 % of the gradient (`pirl-rotation` on 360 images, 20 epochs). The authors' released loss (vissl) has a
constant for the negatives' sum, estimated once; its gradient has a cosine to ours of 0.9 at first, -0.1 to 0.6 later.
Shapes: N images, D latent values, E = 128 values of an embedding, K negatives, B images in the bank.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, normalize

from pse_repro.data.augment.simclr import distortion
from pse_repro.models import ENCODERS, build_encoder
from pse_repro.objectives.base import Batch, Objective, Setup
from pse_repro.objectives.shared.tiles import grid_tiles, reordered, tile_latents

EMBEDDING = 128
TILES = 9
TILE_SIDE = 24
TRANSFORMS = ("jigsaw", "rotation", "both")


def nce(positives_N: Tensor, negatives_NK: Tensor) -> Tensor:
    """Return -log h(positive) - sum of log(1 - h(negative)), averaged over the images: the paper's equation 4.

    Arguments are similarities divided by the temperature. h is a pair's share of the sum over itself and all negatives
    (equation 3), which is the logistic function of its difference to their log-sum-exp. A negative of -inf is ignored.
    """
    all_N = negatives_NK.logsumexp(1)
    of_positives = logsigmoid(positives_N - all_N)
    of_negatives = logsigmoid(all_N[:, None] - negatives_NK).sum(1)
    return -(of_positives + of_negatives).mean()


class MemoryBank(nn.Module):
    """An embedding of unit length for every training image: the moving average of its past embeddings.

    It starts with random directions, as in the paper's predecessors: they separate the images and need no pass. A first
    pass would give nearly the same direction to all images, because an untrained encoder hardly distinguishes them.
    """

    def __init__(self, images: int, momentum: float = 0.5) -> None:
        super().__init__()
        self.momentum = momentum
        self.memories_BE: Tensor
        self.register_buffer("memories_BE", normalize(torch.randn(images, EMBEDDING)))

    @torch.no_grad()
    def update(self, positions_N: Tensor, embeddings_NE: Tensor) -> None:
        """Move the memories at `positions_N` towards the embeddings, and normalise them to unit length."""
        moved = torch.lerp(embeddings_NE, self.memories_BE[positions_N], self.momentum)
        self.memories_BE[positions_N] = normalize(moved)


class TileHead(nn.Module):
    """Latents (N, 9, D) of an image's tiles -> (N, 128): each to 128 values, then all in random order to 128."""

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.tile = nn.Linear(latent_size, EMBEDDING)
        self.image = nn.Linear(TILES * EMBEDDING, EMBEDDING)

    def forward(self, latents_NTD: Tensor) -> Tensor:
        orders = torch.rand(latents_NTD.shape[:2]).argsort(1)
        shuffled = reordered(self.tile(latents_NTD), orders)
        embedded: Tensor = self.image(shuffled.flatten(1))
        return embedded


def turned(images_NCHW: Tensor) -> Tensor:
    """Rotate each image by 0, 90, 180 or 270 degrees, at random."""
    copies = torch.stack([images_NCHW.rot90(turns, (2, 3)) for turns in range(4)])
    turns_N = torch.randint(4, (len(images_NCHW),)).to(images_NCHW.device, non_blocking=True)
    return copies[turns_N, torch.arange(len(images_NCHW), device=images_NCHW.device)]


class PIRLNetwork(nn.Module):
    """The encoder, a head for images and one for transformed images, and the memory bank."""

    def __init__(self, encoder: str, transform: str, images: int) -> None:
        super().__init__()
        size = ENCODERS[encoder].latent_size
        self.turns, self.cuts = transform in ("rotation", "both"), transform in ("jigsaw", "both")
        self.encoder = build_encoder(encoder)
        self.head = nn.Linear(size, EMBEDDING)
        self.transformed_head = TileHead(size) if self.cuts else nn.Linear(size, EMBEDDING)
        self.bank = MemoryBank(images)

    def embed(self, images_NCHW: Tensor) -> Tensor:
        """Return embeddings (N, 128) of unit length, in float32."""
        return normalize(self.head(self.encoder(images_NCHW)).float())

    def embed_transformed(self, images_NCHW: Tensor) -> Tensor:
        """Return the embeddings of the images after rotation, cutting into tiles, or both in this order."""
        if self.turns:
            images_NCHW = turned(images_NCHW)
        if self.cuts:
            latents = tile_latents(self.encoder, grid_tiles(images_NCHW, TILE_SIDE))
        else:
            latents = self.encoder(images_NCHW)
        return normalize(self.transformed_head(latents).float())


class PIRL(Objective[PIRLNetwork]):
    """NCE of the transformed image and of the image itself, each compared with the memories of this and other images.

    The last epoch is kept, because every epoch's losses refer to another state of the bank, the first ones to random
    directions, which are easy to distinguish. Image and transformed image are distorted independently (crop, flip,
    colours), so that an image cannot be identified by its colours.
    """

    keeps = "last"

    def __init__(
        self, setup: Setup, transform: str, negatives: int = 1024, temperature: float = 0.07, weight: float = 0.5
    ) -> None:
        """Build the objective; `weight` is the paper's lambda, the share of the transformed image's term.

        ValueError for a transform that is not in TRANSFORMS.
        """
        super().__init__(setup)
        if transform not in TRANSFORMS:
            raise ValueError(f"transform is {transform!r}; expected one of {', '.join(TRANSFORMS)}")
        self.transform, self.temperature, self.weight = transform, temperature, weight
        self.negatives = min(negatives, setup.train_images)
        self.chance = 100 / (1 + self.negatives)
        self.distort_image = distortion(blur=0)
        self.distort_transformed = distortion(smallest_crop=0.6, blur=0)

    def network(self) -> PIRLNetwork:
        return PIRLNetwork(self.setup.encoder, self.transform, self.setup.train_images)

    def loss(self, network: PIRLNetwork, batch: Batch) -> Tensor:
        return self._weighted(*self._similarities(network, batch))

    def measures(self, network: PIRLNetwork, batch: Batch) -> dict[str, Tensor]:
        """Return the loss, and the percentage of transformed images that are most similar to their own image."""
        image_NM, transformed_NM = self._similarities(network, batch)
        is_own = transformed_NM.argmax(1) == 0
        return {"loss": self._weighted(image_NM, transformed_NM), "accuracy": 100 * is_own.float().mean()}

    def _weighted(self, image_NM: Tensor, transformed_NM: Tensor) -> Tensor:
        of_image, of_transformed = (nce(each[:, 0], each[:, 1:]) for each in (image_NM, transformed_NM))
        return self.weight * of_transformed + (1 - self.weight) * of_image

    def _similarities(self, network: PIRLNetwork, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return similarities (N, 1 + K) of images and transformed images to their own memory, then to the negatives.

        They are divided by the temperature. In training, the bank is updated after it was read. Validation images are
        not in the bank: their current embedding is used as their memory.
        """
        image_NE = network.embed(self.distort_image(batch.images))
        transformed_NE = network.embed_transformed(self.distort_transformed(batch.images))
        memories_BE = network.bank.memories_BE
        drawn_K = torch.randperm(len(memories_BE))[: self.negatives].to(memories_BE.device, non_blocking=True)
        positions_N = batch.positions
        is_own_NK = (drawn_K == positions_N[:, None]) & batch.training
        own_NE = memories_BE[positions_N] if batch.training else image_NE.detach()
        found = [self._compare(each, own_NE, memories_BE[drawn_K], is_own_NK) for each in (image_NE, transformed_NE)]
        if batch.training:
            network.bank.update(positions_N, image_NE)
        return found[0], found[1]

    def _compare(self, embedded_NE: Tensor, own_NE: Tensor, negatives_KE: Tensor, is_own_NK: Tensor) -> Tensor:
        with torch.autocast(embedded_NE.device.type, enabled=False):
            to_own_N1 = (embedded_NE * own_NE).sum(1, keepdim=True)
            to_negatives_NK = (embedded_NE @ negatives_KE.T).masked_fill(is_own_NK, -torch.inf)
            return torch.cat([to_own_N1, to_negatives_NK], 1) / self.temperature
