"""The strong augmentation of contrastive pre-training: crops, colour distortion and blur, as steps of `steps.py`.

Source: Chen et al., *A Simple Framework for Contrastive Learning*, 2020 (arXiv 2002.05709), section 3 and appendix A.
Shapes: images_NCHW (N, 3, 96, 96) in [0, 1]; drawn_NP (N, P), the P random numbers that a step needs per image.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from pse_repro.data.augment.colour import ColorJitter, grey_levels
from pse_repro.data.augment.steps import Augmentation, Flip, ResizedCrop, Step, Steps
from pse_repro.data.stl10 import SIDE

BLUR_RADIUS = 4  # a kernel of 9 pixels, a tenth of the side as in the paper


class Sometimes:
    """Another step, applied to each image with the given probability."""

    def __init__(self, step: Step, probability: float) -> None:
        self.step, self.probability = step, probability

    def draw(self, count: int) -> Tensor:
        """Draw 1 for the images to be changed, else 0, followed by the step's own numbers."""
        is_chosen = torch.rand(count, 1) < self.probability
        return torch.cat([is_chosen, self.step.draw(count)], 1)

    def __call__(self, images_NCHW: Tensor, drawn_NP: Tensor) -> Tensor:
        chosen = drawn_NP[:, 0].nonzero()[:, 0]
        if len(chosen):
            there = chosen.to(images_NCHW.device, non_blocking=True)
            images_NCHW[there] = self.step(images_NCHW[there], drawn_NP[chosen, 1:])
        return images_NCHW


class GreyScale:
    """Every channel replaced by the grey level; needs no random numbers."""

    def draw(self, count: int) -> Tensor:
        return torch.empty(count, 0)

    def __call__(self, images_NCHW: Tensor, drawn_NP: Tensor) -> Tensor:
        return grey_levels(images_NCHW)[:, None].repeat(1, 3, 1, 1)


class Blur:
    """torchvision's GaussianBlur with a kernel of 9 pixels: sigma uniform from `lowest` to `highest` pixels."""

    def __init__(self, lowest: float = 0.1, highest: float = 2.0) -> None:
        self.lowest, self.highest = lowest, highest

    def draw(self, count: int) -> Tensor:
        """Draw standard deviations in pixels."""
        return torch.empty(count, 1).uniform_(self.lowest, self.highest)

    def __call__(self, images_NCHW: Tensor, drawn_NP: Tensor) -> Tensor:
        offsets = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1)
        weights_NK = (-0.5 * (offsets / drawn_NP) ** 2).softmax(1).to(images_NCHW, non_blocking=True)
        blurred = pad(images_NCHW, (BLUR_RADIUS,) * 4, mode="reflect")
        for axis in (-1, -2):
            shifted = [blurred.narrow(axis, shift, SIDE) for shift in range(len(offsets))]
            blurred = torch.zeros_like(shifted[0])
            for part, weights_N in zip(shifted, weights_NK.T, strict=True):
                blurred.addcmul_(part, weights_N[:, None, None, None])
        return blurred


def distortion(smallest_crop: float = 0.08, strength: float = 0.5, blur: float = 0.5) -> Augmentation:
    """Return SimCLR's augmentation: crop, flip, colour jitter (in 80 % of the images), grey (20 %), and blur.

    `smallest_crop` is the minimum share of the image's area that a crop keeps. `strength` scales the colour jitter; the
    paper uses 1 for ImageNet and 0.5 for small images. `blur` is the share of the images that are blurred.
    """
    jitter = ColorJitter(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength)
    crop = ResizedCrop((smallest_crop, 1.0), (3 / 4, 4 / 3))
    return Steps(crop, Flip(), Sometimes(jitter, 0.8), Sometimes(GreyScale(), 0.2), Sometimes(Blur(), blur))
