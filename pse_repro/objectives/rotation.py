"""Rotation: whether an image was rotated by 0, 90, 180 or 270 degrees is predicted.

Source: Gidaris, Singh and Komodakis, *Unsupervised Representation Learning by Predicting Image Rotations*, 2018 (arXiv
1803.07728), equations 1 to 3: all four copies of an image in a batch. Nothing depends on the images' size; the head is
one hidden layer on the study's latent.
"""

import torch
from torch import Tensor

from pse_repro.models import ENCODERS, EncoderWithHead, build_encoder
from pse_repro.objectives.shared.pretext import Pretext, pretext_head

TURNS = 4  # of 90 degrees


class Rotation(Pretext[EncoderWithHead]):
    """Cross-entropy of the four turns."""

    chance = 100 / TURNS

    def network(self) -> EncoderWithHead:
        encoder = build_encoder(self.setup.encoder)
        return EncoderWithHead(encoder, pretext_head(ENCODERS[self.setup.encoder].latent_size, TURNS))

    def classified(self, network: EncoderWithHead, images_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        turned, turns = all_turns(images_NCHW)
        return network(turned), turns


def all_turns(images_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return square images rotated counter-clockwise by 0, 90, 180 and 270 degrees (4N, 3, H, H), and the turns (4N,).

    All unrotated images come first, then all rotated once, and so on. Pixels are moved, not interpolated.
    """
    turned = torch.cat([images_NCHW.rot90(turns, (2, 3)) for turns in range(TURNS)])
    turns = torch.arange(TURNS, device=images_NCHW.device).repeat_interleave(len(images_NCHW))
    return turned.contiguous(memory_format=torch.channels_last), turns
