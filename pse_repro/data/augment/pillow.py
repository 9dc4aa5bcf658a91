"""Pillow's colour operations on batches: those of `colour.py` on whole levels, cut and rounded as in 8-bit images.

Sources: Pillow's `Blend.c`, `Convert.c` and `ImageEnhance.py`; torchvision's `adjust_hue` for Pillow images.
Shapes: levels_NCHW (N, 3, H, W) whole levels 0 to 255, as floats.
"""

from torch import Tensor

from pse_repro.data.augment.colour import ColorJitter, coloured, grey_levels, hue_and_extremes, weighted_

# Added before a level is cut: rounding errors of float32 at 255 are below 6e-5, so that a whole level stays the same.
SLACK = 2**-12


def blend_levels_(levels_NCHW: Tensor, parts_N3: Tensor) -> Tensor:
    """Replace the levels, in place, as `colour.blend_` does with images; the result is cut, not rounded.

    Grey levels and the mean grey level are rounded.
    """
    grey = grey_levels(levels_NCHW).round_()
    mean_N = grey.mean((1, 2)).add_(0.5).floor_()
    return weighted_(levels_NCHW, grey, parts_N3, parts_N3[:, 2] * mean_N + SLACK).clamp_(0, 255).floor_()


def shift_hue_levels(levels_NCHW: Tensor, turns_N: Tensor) -> Tensor:
    """Return the levels with their hues shifted as `colour.shift_hue` does with images.

    As in an 8-bit HSV image, hue and saturation are cut to whole levels, and hues wrap around at 256. The shift is cut
    towards 0.
    """
    hue, lowest, highest = hue_and_extremes(levels_NCHW)
    shift_N = (turns_N * 255).trunc_().remainder_(256)
    hue = hue.add_(1).frac_().mul_(255).floor_().add_(shift_N[:, None, None]).mul_(1 / 256).frac_()
    chroma = (highest - lowest).mul_(255).div_(highest.clamp_min(1)).floor_().mul_(highest).mul_(1 / 255)
    return coloured(hue.mul_(256 * 6 / 255), chroma, highest + chroma).round_()


class PillowJitter(ColorJitter):
    """ColorJitter on 8-bit images: the images are rounded to whole levels of 255 and stay on them."""

    blend_ = staticmethod(blend_levels_)
    shift_hue = staticmethod(shift_hue_levels)

    def __call__(self, images_NCHW: Tensor, drawn_NP: Tensor) -> Tensor:
        return super().__call__(images_NCHW.mul_(255).round_(), drawn_NP).div_(255)
