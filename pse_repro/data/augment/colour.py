"""Colour operations on batches: torchvision's ColorJitter, with few passes over the images.

Each image has its own factors and its own order of the operations. Brightness, contrast and saturation are all the
same operation, a blend of the image with its grey levels and their mean. One pass can therefore apply a different one
of the three to each image. Hue comes before, between or after them. All of it is in floats, without rounding: for the
objectives of other papers. `pillow.py` has the study's own, which ran on 8-bit images.
Shapes: images_NCHW (N, 3, H, W) in [0, 1], fastest when contiguous; B blends.
"""

from collections.abc import Callable

import torch
from torch import Tensor

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow and torchvision
# Weights of each pixel's grey level and of the mean grey level in the blend, times 1 - factor.
TOWARDS = {"brightness": (0.0, 0.0), "contrast": (0.0, 1.0), "saturation": (1.0, 0.0)}


def grey_levels(images_NCHW: Tensor) -> Tensor:
    """Return the images' grey levels (N, H, W)."""
    red, green, blue = images_NCHW.unbind(1)
    return (red * GREY[0]).add_(green, alpha=GREY[1]).add_(blue, alpha=GREY[2])


def blend_(images_NCHW: Tensor, parts_N3: Tensor) -> Tensor:
    """Replace the images, in place, by weighted sums of themselves, their grey levels and the mean grey level.

    `parts_N3` holds the three weights; the result is clamped to [0, 1]. Brightness by a factor f is (f, 0, 0),
    contrast (f, 0, 1 - f), saturation (f, 1 - f, 0).
    """
    grey = grey_levels(images_NCHW)
    return weighted_(images_NCHW, grey, parts_N3, parts_N3[:, 2] * grey.mean((1, 2))).clamp_(0, 1)


def weighted_(images_NCHW: Tensor, grey_NHW: Tensor, parts_N3: Tensor, constant_N: Tensor) -> Tensor:
    """Replace the images, in place, by weighted sums of themselves and `grey_NHW` (overwritten), plus a constant."""
    of_image, of_grey, _ = parts_N3[..., None, None].unbind(1)
    added = grey_NHW.mul_(of_grey).add_(constant_N[:, None, None])
    return images_NCHW.mul_(of_image[:, None]).add_(added[:, None])


def shift_hue(images_NCHW: Tensor, turns_N: Tensor) -> Tensor:
    """Return the images with their hues (of HSV) shifted by fractions of a turn, saturation and value unchanged."""
    hue, lowest, highest = hue_and_extremes(images_NCHW)
    chroma = highest - lowest
    hue = hue.add_(turns_N.remainder(1)[:, None, None] + 1).frac_().mul_(6)
    return coloured(hue, chroma, lowest + 2 * chroma).clamp_(0, 1)


def hue_and_extremes(images_NCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the pixels' hues in turns, from -1/6 to 5/6, 0 for grey, and lowest and highest channels (N, H, W)."""
    red, green, blue = images_NCHW.unbind(1)
    highest, lowest = torch.maximum(red, green), torch.minimum(red, green)
    torch.maximum(highest, blue, out=highest)
    torch.minimum(lowest, blue, out=lowest)
    chroma = highest - lowest
    # lerp by 0 or 1 instead of torch.where, which does not use a CPU's vector instructions
    is_red = torch.eq(red, highest, out=torch.empty_like(red))
    is_green = torch.eq(green, highest, out=torch.empty_like(red))
    hue = (red - green).add_(chroma, alpha=4).lerp_((blue - red).add_(chroma, alpha=2), is_green)
    hue = hue.lerp_(green - blue, is_red).div_(chroma.clamp_min_(torch.finfo(chroma.dtype).tiny).mul_(6))
    return hue, lowest, highest


def coloured(sixths_NHW: Tensor, chroma_NHW: Tensor, peak_NHW: Tensor) -> Tensor:
    """Return the images (N, 3, H, W) of the given hues, in sixths of a turn from 0 to 6.

    Red is at 0, green at 2, blue at 4. A channel has the pixel's highest value, `peak_NHW` - `chroma_NHW`, up to a
    distance of 1 from its own hue, its lowest from a distance of 2, and falls linearly in between.
    """
    distance = torch.stack([sixths_NHW] * 3, 1)
    for channel, centre in enumerate((3, 2, 4)):
        distance[:, channel].sub_(centre).abs_()
    distance[:, 0].neg_().add_(3)  # red is at 0 and at 6
    distance.clamp_(1, 2).mul_(chroma_NHW[:, None])
    return torch.sub(peak_NHW[:, None], distance, out=distance)


class ColorJitter:
    """torchvision's ColorJitter: factors uniform in 1 +- the argument, hue shifts uniform in +- `hue` turns.

    All orders of the operations are equally likely; an operation whose range is 0 is left out.
    """

    blend_: Callable[[Tensor, Tensor], Tensor] = staticmethod(blend_)
    shift_hue: Callable[[Tensor, Tensor], Tensor] = staticmethod(shift_hue)

    def __init__(
        self, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0, hue: float = 0.0
    ) -> None:
        reaches = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
        self.reaches = {name: reach for name, reach in reaches.items() if reach}
        self.hue = hue

    def draw(self, count: int) -> Tensor:
        """Draw parameters (N, P) for `count` images: B blends in their order and, if hue is shifted, two more.

        They are the turns of hue and the number of blends that come before it.
        """
        number = len(self.reaches)
        factors = 1 + torch.tensor(list(self.reaches.values())) * (2 * torch.rand(count, number) - 1)
        towards = torch.tensor([TOWARDS[name] for name in self.reaches]).reshape(number, 2)
        parts = torch.cat([factors[..., None], (1 - factors)[..., None] * towards], -1)
        parts = parts.take_along_dim(torch.rand(count, number).argsort(1)[..., None], 1).flatten(1)
        if not self.hue:
            return parts
        turns = self.hue * (2 * torch.rand(count, 1) - 1)
        return torch.cat([parts, turns, torch.randint(0, number + 1, (count, 1))], 1)

    def __call__(self, images_NCHW: Tensor, drawn_NP: Tensor) -> Tensor:
        """Return the images changed as drawn; the input's memory is overwritten."""
        number, count = len(self.reaches), len(images_NCHW)
        if not self.hue:
            self._apply_blends(images_NCHW, drawn_NP, [slice(count)] * number)
            return images_NCHW
        # Sorted, each blend has its images before hue at the start of the batch, those after it at the end
        number_before_N, order = drawn_NP[:, -1].sort(descending=True)
        drawn_NP = drawn_NP[order]
        order = order.to(images_NCHW.device, non_blocking=True)
        images = images_NCHW[order]
        ends = [int((number_before_N > blend).sum()) for blend in range(number)]
        self._apply_blends(images, drawn_NP, [slice(end) for end in ends])
        turns_N = drawn_NP[:, -2].to(images.device, images.dtype, non_blocking=True)
        images = self.shift_hue(images, turns_N)
        self._apply_blends(images, drawn_NP, [slice(end, count) for end in ends])
        images_NCHW[order] = images
        return images_NCHW

    def _apply_blends(self, images_NCHW: Tensor, drawn_NP: Tensor, chosen: list[slice]) -> None:
        """Change images in place: each blend only those chosen for it."""
        drawn_NP = drawn_NP.to(images_NCHW.device, images_NCHW.dtype, non_blocking=True)
        for blend, part in enumerate(chosen):
            self.blend_(images_NCHW[part], drawn_NP[part, 3 * blend : 3 * blend + 3])
