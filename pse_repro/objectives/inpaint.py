"""Context encoder: a block cut out of the image is generated from the rest.

Source: D. Pathak et al., *Context Encoders: Feature Learning by Inpainting*, CVPR 2016, sections 3.2 and 3.3, equations
1 to 3. Scaled from 227 (features) and 128 pixels (generation) to 96: the block is half as wide as the image, 48 pixels;
3 pixels of its border remain visible to the encoder (7 of 227, 4 of 128), and the error there has ten times the weight.
Random regions are one block at a random place, not several smaller ones.
Shapes: N images (N, 3, 96, 96), blocks (N, 3, 48, 48), in [0, 1].
"""

from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from pse_repro.data.stl10 import SIDE
from pse_repro.models import ENCODERS, build_encoder
from pse_repro.objectives.base import Batch, Objective, Setup
from pse_repro.objectives.shared.frozen import frozen_call

Region = Literal["central", "random"]
BLOCK = SIDE // 2  # pixels; a quarter of the image's area
OVERLAP = 3  # pixels of the block's border that the encoder sees
OVERLAP_WEIGHT = 10.0
FILL = 0.45  # in the hole: about the mean of natural images
RECONSTRUCTION_WEIGHT, ADVERSARIAL_WEIGHT = 0.999, 0.001


class InpaintNetwork(nn.Module):
    """An encoder of images with a hole, and a decoder from its latent to the block, which `forward` returns."""

    def __init__(self, encoder: str) -> None:
        super().__init__()
        self.encoder = build_encoder(encoder)
        self.decoder = block_decoder(ENCODERS[encoder].latent_size)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        blocks_NCHW: Tensor = self.decoder(self.encoder(images_NCHW))
        return blocks_NCHW


class AdversarialInpaintNetwork(InpaintNetwork):
    """An `InpaintNetwork` with a discriminator of true and generated blocks."""

    def __init__(self, encoder: str) -> None:
        super().__init__(encoder)
        self.discriminator = block_discriminator()


AnyInpaintNetwork = TypeVar("AnyInpaintNetwork", bound=InpaintNetwork)


class BlockError(Objective[AnyInpaintNetwork]):
    """Squared error of the block (equation 1), with ten times the weight where it overlaps its surroundings."""

    def __init__(self, setup: Setup, region: Region = "central") -> None:
        super().__init__(setup)
        self.region = region
        self.weights_HW = overlap_weights().to(setup.device)

    def loss(self, network: AnyInpaintNetwork, batch: Batch) -> Tensor:
        return self._error(*self._blocks(network, batch))

    def _blocks(self, network: AnyInpaintNetwork, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the blocks generated for the holes, and the blocks cut out."""
        corners_N2 = block_corners(self.region, len(batch.images)).to(batch.images.device, non_blocking=True)
        generated: Tensor = network(with_holes(batch.images, corners_N2))
        return generated.float(), cut_blocks(batch.images, corners_N2)

    def _error(self, generated: Tensor, blocks: Tensor) -> Tensor:
        return (self.weights_HW * (generated - blocks).square()).mean()


class Inpaint(BlockError[InpaintNetwork]):
    """The squared error alone."""

    def network(self) -> InpaintNetwork:
        return InpaintNetwork(self.setup.encoder)


class AdversarialInpaint(BlockError[AdversarialInpaintNetwork]):
    """0.999 of the squared error and 0.001 of the game against a discriminator (equation 3).

    The generator's term is the usual -log D(generated). The discriminator's term is part of the same loss, but each
    player receives only its own gradient. Adversarial losses of different epochs are not comparable, so the last epoch
    is kept.
    """

    keeps = "last"

    def network(self) -> AdversarialInpaintNetwork:
        return AdversarialInpaintNetwork(self.setup.encoder)

    def loss(self, network: AdversarialInpaintNetwork, batch: Batch) -> Tensor:
        return self.measures(network, batch)["loss"]

    def measures(self, network: AdversarialInpaintNetwork, batch: Batch) -> dict[str, Tensor]:
        """Return the whole loss and its terms, unweighted."""
        generated, blocks = self._blocks(network, batch)
        error = self._error(generated, blocks)
        generator = adversarial_loss(frozen_call(network.discriminator, generated), True)
        true, false = network.discriminator(blocks), network.discriminator(generated.detach())
        discriminator = adversarial_loss(true, True) + adversarial_loss(false, False)
        loss = RECONSTRUCTION_WEIGHT * error + ADVERSARIAL_WEIGHT * (generator + discriminator)
        return {"loss": loss, "error": error, "generator": generator, "discriminator": discriminator}


def adversarial_loss(logits_N1: Tensor, as_true: bool) -> Tensor:
    """Return the cross-entropy of the logits, with all blocks labelled true, or all false."""
    return binary_cross_entropy_with_logits(logits_N1.float(), torch.full_like(logits_N1, as_true, dtype=torch.float32))


def overlap_weights() -> Tensor:
    """Return weights (48, 48): 10 in the border that the encoder sees, 1 inside."""
    weights_HW = torch.full((BLOCK, BLOCK), OVERLAP_WEIGHT)
    weights_HW[OVERLAP:-OVERLAP, OVERLAP:-OVERLAP] = 1
    return weights_HW


def block_corners(region: Region, count: int) -> Tensor:
    """Return each block's first row and column (N, 2)."""
    if region == "central":
        return torch.full((count, 2), (SIDE - BLOCK) // 2)
    return torch.randint(SIDE - BLOCK + 1, (count, 2))


def cut_blocks(images_NCHW: Tensor, corners_N2: Tensor) -> Tensor:
    """Return the blocks (N, 3, 48, 48), channels last."""
    places = torch.arange(BLOCK, device=images_NCHW.device)
    rows, columns = (corners_N2[..., None] + places).unbind(1)
    images = torch.arange(len(images_NCHW), device=images_NCHW.device)[:, None, None]
    return images_NCHW.permute(0, 2, 3, 1)[images, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def with_holes(images_NCHW: Tensor, corners_N2: Tensor) -> Tensor:
    """Return the images with their blocks filled, except for the overlap."""
    inside = torch.arange(SIDE, device=images_NCHW.device) - corners_N2[..., None]  # (N, 2, 96), from the block's start
    rows, columns = ((inside >= OVERLAP) & (inside < BLOCK - OVERLAP)).unbind(1)
    return images_NCHW.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], FILL)


def block_decoder(latent_size: int) -> nn.Module:
    """Build (N, D) -> (N, 3, 48, 48) in [0, 1]; the maps' sides are 3, 6, 12, 24, 48."""
    layers: list[nn.Module] = [nn.Linear(latent_size, 256 * 3 * 3), nn.Unflatten(1, (256, 3, 3)), nn.LeakyReLU(0.2)]
    for before, after in ((256, 256), (256, 128), (128, 64)):
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(64, 3, 4, 2, 1), nn.Sigmoid())


def block_discriminator() -> nn.Module:
    """Build (N, 3, 48, 48) -> logits (N, 1): the paper's with one down-sampling less; sides are 48, 24, 12, 6, 3."""
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 4, 2, 1), nn.LeakyReLU(0.2)]
    for before, after in ((64, 128), (128, 256), (256, 512)):
        layers += [nn.Conv2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(512, 1, 3), nn.Flatten())
