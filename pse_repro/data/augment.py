"""Augmentation by the batch, on the images' device (switches 4 and 10).

The released code augments 8-bit images one by one with torchvision on Pillow; these are floats in [0, 1], a batch at a
time, drawn from the same distributions and resampled as Pillow does (a recorded deviation: no rounding to 8 bits in
between). Randomness comes from PyTorch's global CPU generator, which callers seed with `pse_repro.seeding.seeded`.
Shapes: images_NCHW (N, 3, H, W) in [0, 1], before and after; grid_NHW2 (x, y) of where each pixel is read, from -1 to 1
between the image's edges.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

Augmentation = Callable[[Tensor], Tensor]


def pretrain_augmentation(kind: str) -> Augmentation | None:
    """Switch 4: "small" (colour jitter 0.05/0.05, crop of 96 with padding 4, flip), or None for "none"."""
    if kind == "none":
        return None
    return partial(_in_turn, (partial(color_jitter, brightness=0.05, contrast=0.05), partial(crop, padding=4), flip))


def downstream_augmentation(kind: str, crop: bool = True) -> Augmentation | None:
    """Switch 10: "high" (as released; `crop` False leaves the crop out, as for frozen features), None for "none"."""
    if kind == "none":
        return None
    steps = (
        partial(resized_crop, scale=(0.8, 1.0), ratio=(0.8, 1.2)),
        flip,
        partial(color_jitter, brightness=0.2, contrast=0.1, saturation=0.05, hue=0.05),
        partial(rotation, degrees=10.0),
        partial(perspective, distortion=0.1, p=0.2),
    )
    return partial(_in_turn, steps if crop else steps[1:])


def _in_turn(steps: tuple[Augmentation, ...], images_NCHW: Tensor) -> Tensor:
    for step in steps:
        images_NCHW = step(images_NCHW)
    return images_NCHW.contiguous(memory_format=torch.channels_last)


def color_jitter(
    images_NCHW: Tensor, brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0, hue: float = 0.0
) -> Tensor:
    """torchvision's ColorJitter, each image with its own factors and its own order of the operations.

    Brightness, contrast and saturation factors are uniform in 1 +- the argument, hue shifts uniform in +- `hue` turns.
    """
    ranges = {adjust_brightness: brightness, adjust_contrast: contrast, adjust_saturation: saturation, adjust_hue: hue}
    ranges = {operation: most for operation, most in ranges.items() if most}
    count = len(images_NCHW)
    order = torch.rand(count, len(ranges)).argsort(1)
    shifts = [_uniform(count, -most, most) for most in ranges.values()]
    jittered = images_NCHW.clone()
    for turn in order.T:
        for index, (operation, shift) in enumerate(zip(ranges, shifts, strict=True)):
            chosen = (turn == index).nonzero().flatten()
            factors = (shift if operation is adjust_hue else 1 + shift)[chosen].to(images_NCHW)
            chosen = chosen.to(images_NCHW.device)
            jittered[chosen] = operation(jittered[chosen], factors.view(-1, 1, 1, 1))
    return jittered


def adjust_brightness(images_NCHW: Tensor, factors: Tensor) -> Tensor:
    return (factors * images_NCHW).clamp(0, 1)


def adjust_contrast(images_NCHW: Tensor, factors: Tensor) -> Tensor:
    return torch.lerp(_grey(images_NCHW).mean((2, 3), keepdim=True), images_NCHW, factors).clamp(0, 1)


def adjust_saturation(images_NCHW: Tensor, factors: Tensor) -> Tensor:
    return torch.lerp(_grey(images_NCHW), images_NCHW, factors).clamp(0, 1)


def adjust_hue(images_NCHW: Tensor, turns: Tensor) -> Tensor:
    """As in HSV: value and chroma (largest minus smallest channel) stay, the hue moves on by `turns`."""
    red, green, blue = images_NCHW.unbind(1)
    value = torch.maximum(torch.maximum(red, green), blue)
    chroma = value - torch.minimum(torch.minimum(red, green), blue)
    scale = 1 / chroma.clamp(min=1e-12)
    sixths = torch.where(value == green, 2 + (blue - red) * scale, 4 + (red - green) * scale)
    sixths = torch.where(value == red, (green - blue) * scale, sixths) + 6 * turns[:, 0]
    # A channel is at `value` within a sixth of a turn of its own hue, then falls by `chroma` over the next sixth.
    channels = [value - chroma * (2 - ((sixths + own) % 6 - 2).abs()).clamp(0, 1) for own in (5, 3, 1)]
    return torch.stack(channels, 1)


def _grey(images_NCHW: Tensor) -> Tensor:
    red, green, blue = images_NCHW.split(1, dim=1)
    return 0.2989 * red + 0.587 * green + 0.114 * blue


def flip(images_NCHW: Tensor) -> Tensor:
    """Half of the images mirrored, left and right swapped."""
    chosen = (torch.rand(len(images_NCHW)) < 0.5).to(images_NCHW.device)
    return torch.where(chosen.view(-1, 1, 1, 1), images_NCHW.flip(-1), images_NCHW)


def crop(images_NCHW: Tensor, padding: int) -> Tensor:
    """torchvision's RandomCrop of the image's own size, after a black border of `padding` pixels."""
    count, _, height, width = images_NCHW.shape
    padded_NHWC = F.pad(images_NCHW, [padding] * 4).permute(0, 2, 3, 1)
    tops, lefts = torch.randint(2 * padding + 1, (2, count, 1))
    numbers, rows = torch.arange(count).view(-1, 1, 1), (tops + torch.arange(height))[:, :, None]
    columns = (lefts + torch.arange(width))[:, None]
    numbers, rows, columns = (places.to(images_NCHW.device) for places in (numbers, rows, columns))
    return padded_NHWC[numbers, rows, columns].permute(0, 3, 1, 2)


def resized_crop(images_NCHW: Tensor, scale: tuple[float, float], ratio: tuple[float, float]) -> Tensor:
    """torchvision's RandomResizedCrop to the image's own size: area in `scale`, width over height in `ratio`."""
    count, _, height, width = images_NCHW.shape
    return resize_boxes(images_NCHW, crop_boxes(count, height, width, scale, ratio))


def crop_boxes(count: int, height: int, width: int, scale: tuple[float, float], ratio: tuple[float, float]) -> Tensor:
    """Boxes (N, 4) of left, top, width, height: the first of ten tries that fits into the image, else all of it."""
    areas = height * width * _uniform((count, 10), *scale)
    ratios = _uniform((count, 10), *map(math.log, ratio)).exp()
    widths, heights = (areas * ratios).sqrt().round(), (areas / ratios).sqrt().round()
    fits = (widths <= width) & (heights <= height)
    first = fits.int().argmax(1, keepdim=True)
    none = ~fits.any(1)
    widths = widths.gather(1, first).flatten().masked_fill(none, width)
    heights = heights.gather(1, first).flatten().masked_fill(none, height)
    lefts, tops = (torch.rand(2, count) * torch.stack([width - widths + 1, height - heights + 1])).floor()
    return torch.stack([lefts, tops, widths, heights], 1)


def resize_boxes(images_NCHW: Tensor, boxes_N4: Tensor) -> Tensor:
    """The part of each image in its box of left, top, width, height (in pixels), enlarged to the image's size."""
    side = torch.tensor([images_NCHW.shape[-1], images_NCHW.shape[-2]])
    extent = boxes_N4[:, 2:] / side
    centre = 2 * boxes_N4[:, :2] / side - 1 + extent
    grid_NHW2 = _grid(torch.cat([extent.diag_embed(), centre[..., None]], -1), images_NCHW)
    # Bilinear between the box's own pixels: beyond the centre of its last one, that one goes on.
    low, high = ((centre + sign * (extent - 1 / side)).to(images_NCHW)[:, None, None] for sign in (-1, 1))
    return _read(images_NCHW, grid_NHW2.clamp(low, high), "bilinear")


def rotation(images_NCHW: Tensor, degrees: float) -> Tensor:
    """torchvision's RandomRotation: each image by its own angle in +- `degrees`, nearest pixel, black outside."""
    return rotate(images_NCHW, _uniform(len(images_NCHW), -degrees, degrees))


def rotate(images_NCHW: Tensor, degrees: Tensor) -> Tensor:
    """Each image turned counter-clockwise about its centre by its angle of `degrees` (N,)."""
    height, width = images_NCHW.shape[-2:]
    cos, sin, zero = degrees.deg2rad().cos(), degrees.deg2rad().sin(), torch.zeros_like(degrees)
    turn = torch.stack([cos, -sin * height / width, zero, sin * width / height, cos, zero], -1)
    return _read(images_NCHW, _grid(turn.view(-1, 2, 3), images_NCHW), "nearest")


def perspective(images_NCHW: Tensor, distortion: float, p: float) -> Tensor:
    """torchvision's RandomPerspective: with probability `p`, the corners move inwards by whole pixels, black outside.

    By 0 to `distortion` times half a side, each coordinate of each corner on its own.
    """
    height, width = images_NCHW.shape[-2:]
    chosen = (torch.rand(len(images_NCHW)) < p).nonzero().flatten()
    inwards = [torch.randint(int(distortion * (side // 2)) + 1, (len(chosen), 4)) for side in (width, height)]
    corners = torch.tensor([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]])
    moved = corners + torch.stack(inwards, -1) * torch.tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    chosen = chosen.to(images_NCHW.device)
    return images_NCHW.index_copy(0, chosen, project(images_NCHW[chosen], corners, moved))


def project(images_NCHW: Tensor, corners: Tensor, moved: Tensor) -> Tensor:
    """Each image with its four points `corners` (4, 2), (x, y) in pixels, moved to its `moved` (N, 4, 2)."""
    side = torch.tensor([images_NCHW.shape[-1], images_NCHW.shape[-2]], dtype=torch.float64)
    targets, points = (2 * places / side - 1 for places in (corners.expand_as(moved), moved))
    # Eight numbers say where (X, Y) is read: x = (a X + b Y + c) / (g X + h Y + 1), y = (d X + e Y + f) / the same.
    ones = torch.cat([points, torch.ones_like(points[..., :1])], -1)
    along_x = torch.cat([ones, torch.zeros_like(ones), -targets[..., :1] * points], -1)
    along_y = torch.cat([torch.zeros_like(ones), ones, -targets[..., 1:] * points], -1)
    numbers = torch.linalg.solve(torch.cat([along_x, along_y], 1), targets.mT.flatten(1))
    above = numbers[:, :6].view(-1, 2, 3)
    below = torch.cat([numbers[:, 6:], torch.ones_like(numbers[:, :1])], -1)[:, None].expand_as(above)
    return _read(images_NCHW, _grid(above, images_NCHW) / _grid(below, images_NCHW), "bilinear")


def _uniform(shape: int | tuple[int, ...], low: float, high: float) -> Tensor:
    return torch.empty(shape).uniform_(low, high)


def _grid(maps_N23: Tensor, images_NCHW: Tensor) -> Tensor:
    """Where affine maps say that each pixel's centre is read (as `affine_grid`, but five times faster on a CPU)."""
    x, y = (torch.arange(1, 2 * size, 2, device=images_NCHW.device) / size - 1 for size in images_NCHW.shape[:1:-1])
    across, down, shift = maps_N23.to(images_NCHW)[:, None, None].unbind(-1)
    return (across * x[:, None] + shift) + down * y[:, None, None]


def _read(images_NCHW: Tensor, grid_NHW2: Tensor, mode: str) -> Tensor:
    """Images read on a grid, bilinearly or from the nearest pixel; black where it lies outside, as in Pillow."""
    inside = grid_NHW2.abs().amax(-1) <= 1
    return F.grid_sample(images_NCHW, grid_NHW2, mode, "border", align_corners=False).mul_(inside[:, None])
