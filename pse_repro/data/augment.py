"""Augmentation by the batch, on the images' device, with kornia (switches 4 and 10).

The released code augments 8-bit images one by one with torchvision on Pillow; these are floats in [0, 1], a batch at a
time, drawn from the same distributions (a recorded deviation: no rounding to 8 bits in between, and kornia's way of
resampling). Randomness comes from PyTorch's global generator, which callers seed with `pse_repro.seeding.seeded`.
Shapes: images_NCHW (N, 3, 96, 96) in [0, 1], before and after.
"""

import math
from collections.abc import Callable

import torch
from kornia import augmentation, enhance
from torch import Tensor, nn

Augmentation = Callable[[Tensor], Tensor]
SIDES = (96, 96)


def pretrain_augmentation(kind: str) -> Augmentation | None:
    """Switch 4: "small" (colour jitter 0.05/0.05, crop of 96 with padding 4, flip), or None for "none"."""
    if kind == "none":
        return None
    return nn.Sequential(
        ColorJitter(brightness=0.05, contrast=0.05),
        augmentation.RandomCrop(SIDES, padding=4),
        augmentation.RandomHorizontalFlip(p=0.5),
        ChannelsLast(),
    )


def downstream_augmentation(kind: str, crop: bool = True) -> Augmentation | None:
    """Switch 10: "high" (as released), "higher" (the author's earlier run), or None for "none".

    `crop` False leaves the crop out, as for frozen features.
    """
    if kind == "none":
        return None
    if kind == "higher":
        scale, ratio, degrees, reach, perspective_share = (0.08, 1.0), (3 / 4, 4 / 3), 30.0, 14, 0.5
        jitter = ColorJitter(brightness=0.3, contrast=0.3, saturation=0.1, hue=0.05)
    else:
        scale, ratio, degrees, reach, perspective_share = (0.8, 1.0), (0.8, 1.2), 10.0, 4, 0.2
        jitter = ColorJitter(brightness=0.2, contrast=0.1, saturation=0.05, hue=0.05)
    resized_crop = augmentation.RandomResizedCrop(SIDES, scale=scale, ratio=ratio, align_corners=False)
    return nn.Sequential(
        *([resized_crop] if crop else []),
        augmentation.RandomHorizontalFlip(p=0.5),
        jitter,
        augmentation.RandomRotation(degrees, resample="nearest", p=1.0),
        # torchvision's perspective(0.1) moves corners by 0 to 4 whole pixels, its perspective(0.3) by 0 to 14; kornia's
        # by any fraction of that
        augmentation.RandomPerspective(reach / 48, p=perspective_share),
        ChannelsLast(),
    )


class ColorJitter(nn.Module):
    """torchvision's ColorJitter, each image with its own factors and its own order of the operations.

    Brightness, contrast and saturation factors are uniform in 1 +- the argument, hue shifts uniform in +- `hue` turns;
    an operation whose range is 0 is left out. (kornia's own draws one order a batch.)
    """

    def __init__(
        self, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0, hue: float = 0.0
    ) -> None:
        super().__init__()
        ranges = (
            (enhance.adjust_brightness_accumulative, 1.0, brightness),
            (enhance.adjust_contrast_with_mean_subtraction, 1.0, contrast),
            (enhance.adjust_saturation_with_gray_subtraction, 1.0, saturation),
            (enhance.adjust_hue, 0.0, 2 * math.pi * hue),  # kornia counts in radians
        )
        self.operations = [(operation, centre, reach) for operation, centre, reach in ranges if reach]

    def forward(self, images_NCHW: Tensor) -> Tensor:
        count = len(images_NCHW)
        order = torch.rand(count, len(self.operations)).argsort(1)
        jittered = images_NCHW.clone()
        for turn in order.T:
            for index, (operation, centre, reach) in enumerate(self.operations):
                chosen = (turn == index).nonzero().flatten()
                factors = torch.empty(len(chosen)).uniform_(centre - reach, centre + reach).to(images_NCHW)
                chosen = chosen.to(images_NCHW.device)
                if len(chosen):
                    jittered[chosen] = operation(jittered[chosen], factors).clamp(0, 1)
        return jittered


class ChannelsLast(nn.Module):
    """The memory format that the networks take."""

    def forward(self, images_NCHW: Tensor) -> Tensor:
        return images_NCHW.contiguous(memory_format=torch.channels_last)
