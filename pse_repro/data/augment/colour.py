"""Colour operations on batches: torchvision's ColorJitter, with few passes over the images.

Each image has its own factors and its own order of the operations. Brightness, contrast and saturation are all the
same operation, a blend of the image with its grey levels and their mean. One pass can therefore apply a different one
of the three to each image. Hue comes before, between or after them.
Shapes: images_NCHW (N, 3, H, W) in [0, 1], fastest when contiguous; B blends.
"""

import torch
from torch import Tensor

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow and torchvision
# Weights of each pixel's grey level and of the mean grey level in the blend, times 1 - factor.
TOWARDS = {"brightness": (0.0, 0.0), "contrast": (0.0, 1.0), "saturation": (1.0, 0.0)}
UNCHANGED = (1.0, 0.0, 0.0)


def grey_levels(images_NCHW: Tensor) -> Tensor:
    """Return the images' grey levels (N, H, W)."""
    red, green, blue = images_NCHW.unbind(1)
    return (red * GREY[0]).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2])


def blend_(images_NCHW: Tensor, parts_N3: Tensor) -> Tensor:
    """Replace the images, in place, by weighted sums of themselves, their grey levels and the mean grey level.

    `parts_N3` holds the three weights; the result is clamped to [0, 1]. Brightness by a factor f is (f, 0, 0),
    contrast (f, 0, 1 - f), saturation (f, 1 - f, 0).
    """
    of_image, of_grey, of_mean = parts_N3[..., None, None].unbind(1)
    grey = grey_levels(images_NCHW)
    mean = grey.mean((1, 2), keepdim=True)
    added = grey.mul_(of_grey).add_(of_mean * mean)
    return images_NCHW.mul_(of_image[:, None]).add_(added[:, None]).clamp_(0, 1)


def shift_hue(images_NCHW: Tensor, turns_N: Tensor) -> Tensor:
    """Return the images with their hues (of HSV) shifted by fractions of a turn, saturation and value unchanged.

    Hue is measured in sixths of a turn: red is at 0, green at 2, blue at 4. A channel has the pixel's highest value up
    to a distance of 1 from its own hue, its lowest from a distance of 2, and falls linearly in between.
    """
    red, green, blue = images_NCHW.unbind(1)
    highest = torch.maximum(torch.maximum(red, green), blue)
    lowest = torch.minimum(torch.minimum(red, green), blue)
    chroma = highest - lowest
    # lerp by 0 or 1 instead of torch.where, which does not use a CPU's vector instructions
    is_red = torch.eq(red, highest, out=torch.empty_like(red))
    is_green = torch.eq(green, highest, out=torch.empty_like(red))
    hue = (red - green).add_(chroma, alpha=4).lerp_((blue - red).add_(chroma, alpha=2), is_green)
    hue = hue.lerp_(green - blue, is_red).div_(6 * chroma.clamp_min(torch.finfo(chroma.dtype).tiny))
    hue = hue.add_(turns_N.remainder(1)[:, None, None] + 1).frac_().mul_(6)
    distance = torch.stack([3 - (hue - 3).abs_(), (hue - 2).abs_(), (hue - 4).abs_()], 1).clamp_(1, 2)
    shifted = (lowest + 2 * chroma)[:, None] - distance.mul_(chroma[:, None])
    return shifted.clamp_(0, 1)


class ColorJitter:
    """torchvision's ColorJitter: factors uniform in 1 +- the argument, hue shifts uniform in +- `hue` turns.

    All orders of the operations are equally likely; an operation whose range is 0 is left out.
    """

    def __init__(
        self, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0, hue: float = 0.0
    ) -> None:
        reaches = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        self.reaches = {name: reach for name, reach in reaches.items() if reach}
        self.hue = hue

    def draw(self, count: int) -> Tensor:
        """Draw parameters (N, P) for `count` images: B blends and, if hue is shifted, its turns and another B blends.

        With hue, each blend appears both before and after it, and has no effect in one of the two places.
        """
        number = len(self.reaches)
        factors = 1 + torch.tensor(list(self.reaches.values())) * (2 * torch.rand(count, number) - 1)
        towards = torch.tensor([TOWARDS[name] for name in self.reaches]).reshape(number, 2)
        parts = torch.cat([factors[..., None], (1 - factors)[..., None] * towards], -1)
        parts = parts.take_along_dim(torch.rand(count, number).argsort(1)[..., None], 1)
        if not self.hue:
            return parts.flatten(1)
        turns = self.hue * (2 * torch.rand(count, 1) - 1)
        is_before = (torch.arange(number) < torch.randint(0, number + 1, (count, 1)))[..., None]
        unchanged = torch.tensor(UNCHANGED)
        before, after = torch.where(is_before, parts, unchanged), torch.where(is_before, unchanged, parts)
        return torch.cat([before.flatten(1), turns, after.flatten(1)], 1)

    def __call__(self, images_NCHW: Tensor, drawn_NP: Tensor) -> Tensor:
        """Return the images changed as drawn; the input's memory is overwritten."""
        drawn_NP = drawn_NP.to(images_NCHW.device, images_NCHW.dtype, non_blocking=True)
        number = len(self.reaches)
        before_NB3 = drawn_NP[:, : 3 * number].reshape(len(images_NCHW), number, 3)
        for parts_N3 in before_NB3.unbind(1):
            blend_(images_NCHW, parts_N3)
        if self.hue:
            images_NCHW = shift_hue(images_NCHW, drawn_NP[:, 3 * number])
            for parts_N3 in drawn_NP[:, 3 * number + 1 :].reshape(before_NB3.shape).unbind(1):
                blend_(images_NCHW, parts_N3)
        return images_NCHW
