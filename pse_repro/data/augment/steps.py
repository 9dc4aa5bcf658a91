"""Augmentation of whole batches on the images' device (switches 4 and 10).

The released code augments 8-bit images one by one with torchvision on Pillow. This module augments batches of floats in
[0, 1], with the same distributions. Colour jitter and perspective leave the images on whole levels of 255, cut as in
Pillow: otherwise they would be about one level brighter. A resized crop is rounded by the jitter that follows it, once
and not in each direction (a recorded deviation).

All random numbers of a batch are drawn first, from PyTorch's global generator on the CPU, which callers seed with
`pse_repro.seeding.seeded`. The images are then changed in parts that fit a CPU's cache, or all at once on a GPU.
Shapes: images_NCHW (N, 3, 96, 96) in [0, 1], before and after; drawn_NP (N, P), the P random numbers that a step needs
per image. Coordinates are in pixels: x of a column, y of a row, (0, 0) the centre of the upper left pixel.
"""

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from pse_repro.data.augment.pillow import SLACK, PillowJitter
from pse_repro.data.stl10 import SIDE

Augmentation = Callable[[Tensor], Tensor]
CPU_IMAGES = 16  # per part on a CPU: fewer need more calls, more do not fit the cache


def pretrain_augmentation(kind: str, crop: bool = True, flip: bool = True) -> Augmentation | None:
    """Return the augmentation of pre-training (switch 4), or None for "none".

    "small" is colour jitter 0.05/0.05, a crop of 96 with padding 4, and a flip. `crop` False leaves out the crop, as
    for objectives that its black border would help (`Objective.crops`); `flip` False leaves out the flip, as for
    images whose captions tell left from right.
    """
    if kind == "none":
        return None
    jitter, crops, flips = PillowJitter(brightness=0.05, contrast=0.05), [PaddedCrop(4)] * crop, [Flip()] * flip
    return Steps(jitter, *crops, *flips)


def downstream_augmentation(kind: str, crop: bool = True) -> Augmentation | None:
    """Return the augmentation of downstream training (switch 10), or None for "none".

    "high" is the released one, "higher" that of the author's earlier run. `crop` False leaves out the crop, as for
    frozen features.
    """
    if kind == "none":
        return None
    # torchvision's perspective(0.1) moves corners by 0 to 4 pixels, its perspective(0.3) by 0 to 14
    if kind == "higher":
        resized_crop, jitter = ResizedCrop((0.08, 1.0), (3 / 4, 4 / 3)), PillowJitter(0.3, 0.3, 0.1, 0.05)
        rotation, perspective = Rotation(30), Perspective(reach=14, share=0.5)
    else:
        resized_crop, jitter = ResizedCrop((0.8, 1.0), (0.8, 1.2)), PillowJitter(0.2, 0.1, 0.05, 0.05)
        rotation, perspective = Rotation(10), Perspective(reach=4, share=0.2)
    return Steps(*([resized_crop] if crop else []), Flip(), jitter, rotation, perspective)


class Step(Protocol):
    """One operation: `draw` makes the random numbers for N images on the CPU, the call changes contiguous images.

    The call may overwrite its input.
    """

    def draw(self, count: int) -> Tensor: ...

    def __call__(self, images_NCHW: Tensor, drawn_NP: Tensor) -> Tensor: ...


class Steps:
    """Several steps in order. The input stays unchanged; the result is channels last, as the networks expect."""

    def __init__(self, *steps: Step) -> None:
        self.steps = steps

    def __call__(self, images_NCHW: Tensor) -> Tensor:
        drawn = [step.draw(len(images_NCHW)) for step in self.steps]
        augmented = torch.empty_like(images_NCHW, memory_format=torch.channels_last)
        size = CPU_IMAGES if images_NCHW.device.type == "cpu" else max(len(images_NCHW), 1)
        for start in range(0, len(images_NCHW), size):
            part = slice(start, start + size)
            images = images_NCHW[part].clone(memory_format=torch.contiguous_format)
            for step, drawn_NP in zip(self.steps, drawn, strict=True):
                images = step(images, drawn_NP[part])
            augmented[part] = images
        return augmented


class Flip:
    """Horizontal flip of half of the images."""

    def draw(self, count: int) -> Tensor:
        return torch.rand(count, 1)

    def __call__(self, images_NCHW: Tensor, drawn_NP: Tensor) -> Tensor:
        # lerp by 0 or 1: its shapes do not depend on the numbers drawn, and torch.where is slower on a CPU
        chosen = _on(images_NCHW, (drawn_NP < 0.5).float())
        return images_NCHW.lerp_(images_NCHW.flip(-1), chosen[..., None, None])


class PaddedCrop:
    """torchvision's RandomCrop of the same size with padding: shifts by up to `padding` pixels, black outside."""

    def __init__(self, padding: int) -> None:
        self.padding = padding

    def draw(self, count: int) -> Tensor:
        return torch.randint(-self.padding, self.padding + 1, (count, 2)).float()

    def __call__(self, images_NCHW: Tensor, drawn_NP: Tensor) -> Tensor:
        x, y = (_on(images_NCHW, drawn_NP)[:, None] + _pixels(images_NCHW)[:, None]).unbind(-1)
        return sampled(images_NCHW, x[:, None, :], y[:, :, None], "nearest")


class ResizedCrop:
    """torchvision's RandomResizedCrop: a box with random area and aspect ratio, sampled bilinearly.

    `scale` is the range of the box's share of the image's area. `ratio` is the range of its width / height, whose
    logarithm is uniform.
    """

    def __init__(self, scale: tuple[float, float], ratio: tuple[float, float]) -> None:
        self.scale, self.ratio = scale, ratio

    def draw(self, count: int) -> Tensor:
        """Draw the boxes' left, top, width and height: the first of ten that fits, else the whole image."""
        areas = SIDE * SIDE * torch.empty(count, 10).uniform_(*self.scale)
        ratios = torch.empty(count, 10).uniform_(*map(math.log, self.ratio)).exp()
        sizes = torch.stack([(areas * ratios).sqrt(), (areas / ratios).sqrt()], -1).round()
        fits = (sizes <= SIDE).all(-1)
        sizes = sizes.take_along_dim(fits.int().argmax(1)[:, None, None], 1)[:, 0]
        sizes = torch.where(fits.any(1)[:, None], sizes, SIDE)
        return torch.cat([(torch.rand(count, 2) * (SIDE + 1 - sizes)).floor(), sizes], 1)

    def __call__(self, images_NCHW: Tensor, drawn_NP: Tensor) -> Tensor:
        start, size = _on(images_NCHW, drawn_NP)[:, None].split(2, -1)
        within = (_pixels(images_NCHW)[:, None] + 0.5) * (size / SIDE) - 0.5
        x, y = (start + torch.minimum(within.clamp_min(0), size - 1)).unbind(-1)
        return sampled(images_NCHW, x[:, None, :], y[:, :, None], "bilinear")


class Rotation:
    """torchvision's RandomRotation: about the centre, uniform in +- `degrees`; nearest pixel, black outside."""

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees

    def draw(self, count: int) -> Tensor:
        """Draw angles in degrees, counter-clockwise."""
        return self.degrees * (2 * torch.rand(count, 1) - 1)

    def __call__(self, images_NCHW: Tensor, drawn_NP: Tensor) -> Tensor:
        angle = _on(images_NCHW, drawn_NP)[..., None].deg2rad()
        middle = (SIDE - 1) / 2
        across = _pixels(images_NCHW) - middle
        x = angle.cos() * across - angle.sin() * across[:, None] + middle
        y = angle.sin() * across + angle.cos() * across[:, None] + middle
        return sampled(images_NCHW, x, y, "nearest")


class Perspective:
    """torchvision's RandomPerspective: corners moved inwards by 0 to `reach` whole pixels, in a `share` of the images.

    As in Pillow, a pixel is black if its source is outside the image, the edge is not blended with black, and values
    are cut to whole levels of 255.
    """

    def __init__(self, reach: int, share: float) -> None:
        self.reach, self.share = reach, share

    def draw(self, count: int) -> Tensor:
        """Draw 1 for the images to be changed, else 0, then the shift (x, y) of each of the 4 corners: P = 9."""
        is_chosen = torch.rand(count, 1) < self.share
        return torch.cat([is_chosen, torch.randint(0, self.reach + 1, (count, 8))], 1).float()

    def __call__(self, images_NCHW: Tensor, drawn_NP: Tensor) -> Tensor:
        chosen = drawn_NP[:, 0].nonzero()[:, 0]
        if not len(chosen):
            return images_NCHW
        a, b, c, d, e, f, g, h = _on(images_NCHW, homographies(drawn_NP[chosen, 1:]))[..., None, None].unbind(1)
        chosen = _on(images_NCHW, chosen)
        x = _pixels(images_NCHW) + 0.5  # here (0, 0) is the image's corner, as in Pillow
        y = x[:, None]
        below = g * x + h * y + 1
        x, y = (a * x + b * y + c) / below, (d * x + e * y + f) / below
        is_inside = torch.maximum((x - SIDE / 2).abs_(), (y - SIDE / 2).abs_()) < SIDE / 2
        warped = sampled(images_NCHW[chosen], x - 0.5, y - 0.5, "bilinear")
        images_NCHW[chosen] = warped.mul_(255).add_(SLACK).floor_().div_(255).mul_(is_inside[:, None])
        return images_NCHW


def homographies(moves_N8: Tensor) -> Tensor:
    """Return the coefficients a..h (N, 8) of the maps from the moved corners to the image's.

    (x, y) is mapped to (a x + b y + c, d x + e y + f) / (g x + h y + 1). The corners are (0, 0), (95, 0), (95, 95),
    (0, 95), as in torchvision, each moved inwards by its (x, y).
    """
    last = float(SIDE - 1)
    corners = torch.tensor([[0, 0], [last, 0], [last, last], [0, last]], dtype=torch.float64)
    moved = corners + moves_N8.reshape(-1, 4, 2) * (1 - corners / last * 2)
    points = torch.cat([moved, torch.ones_like(moved[..., :1])], -1)
    nothing = torch.zeros_like(points)
    system = torch.cat(
        [
            torch.cat([points, nothing, -moved * corners[:, :1]], -1),
            torch.cat([nothing, points, -moved * corners[:, 1:]], -1),
        ],
        1,
    )
    coefficients: Tensor = torch.linalg.solve(system, corners.T.flatten().expand(len(moved), -1))
    return coefficients


def sampled(images_NCHW: Tensor, x: Tensor, y: Tensor, mode: str) -> Tensor:
    """Sample the images at x and y, which broadcast to (N, H, W).

    Outside the image, `mode` "nearest" gives black, "bilinear" the value at the edge.
    """
    grid = images_NCHW.new_empty(len(images_NCHW), SIDE, SIDE, 2)
    for axis, pixels in enumerate((x, y)):
        grid[..., axis] = pixels * (2 / (SIDE - 1)) - 1
    padding = "zeros" if mode == "nearest" else "border"
    return grid_sample(images_NCHW, grid, mode=mode, padding_mode=padding, align_corners=True)


def _pixels(images_NCHW: Tensor) -> Tensor:
    """Return the coordinates 0..95 of the pixels along an axis."""
    return torch.arange(SIDE, dtype=images_NCHW.dtype, device=images_NCHW.device)


def _on(images_NCHW: Tensor, drawn: Tensor) -> Tensor:
    """Move drawn numbers to the images' device, without waiting for it, and floats to the images' type."""
    dtype = images_NCHW.dtype if drawn.is_floating_point() else None
    return drawn.to(images_NCHW.device, dtype, non_blocking=True)
