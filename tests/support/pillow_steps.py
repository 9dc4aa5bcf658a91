"""The slow twin of each step of the study's augmentations: torchvision's function on one Pillow image after another."""

from collections.abc import Callable

import torch
from torch import Tensor
from torchvision.transforms import functional as tv

from pse_repro.data.augment import steps
from pse_repro.data.augment.colour import ColorJitter
from pse_repro.data.augment.pillow import PillowJitter
from tests.support.augment_images import through_pillow

UNCHANGED = (1.0, 0.0, 0.0)  # weights of a blend without effect
Picture = object  # a Pillow image; torchvision's functions take tensors, too
ADJUST: dict[str, Callable[[Picture, float], Picture]] = {
    "brightness": tv.adjust_brightness,
    "contrast": tv.adjust_contrast,
    "saturation": tv.adjust_saturation,
    "hue": tv.adjust_hue,
}


def operations(jitter: ColorJitter, drawn_P: Tensor) -> list[tuple[str, float]]:
    """Return the names and factors (turns of hue) of an image's operations, in their order.

    They are recognised by what they blend.
    """
    blends = drawn_P[: 3 * len(jitter.reaches)].reshape(-1, 3).tolist()
    named = [
        ("saturation" if of_grey else "contrast" if of_mean else "brightness", factor)
        for factor, of_grey, of_mean in blends
    ]
    if jitter.hue:
        named.insert(int(drawn_P[-1]), ("hue", float(drawn_P[-2])))
    return named


def jittered(picture: Picture, jitter: ColorJitter, drawn_P: Tensor) -> Picture:
    """Return the image after the drawn operations."""
    for name, factor in operations(jitter, drawn_P):
        picture = ADJUST[name](picture, factor)
    return picture


def flipped(picture: Picture, _: steps.Flip, drawn_P: Tensor) -> Picture:
    return tv.hflip(picture) if drawn_P[0] < 0.5 else picture


def padded_crop(picture: Picture, step: steps.PaddedCrop, drawn_P: Tensor) -> Picture:
    x, y = (int(shift) + step.padding for shift in drawn_P)
    return tv.crop(tv.pad(picture, [step.padding]), y, x, 96, 96)


def resized_crop(picture: Picture, _: steps.ResizedCrop, drawn_P: Tensor) -> Picture:
    left, top, width, height = drawn_P.int().tolist()
    return tv.resized_crop(picture, top, left, height, width, [96, 96])


def rotated(picture: Picture, _: steps.Rotation, drawn_P: Tensor) -> Picture:
    return tv.rotate(picture, float(drawn_P[0]))


def in_perspective(picture: Picture, _: steps.Perspective, drawn_P: Tensor) -> Picture:
    if not drawn_P[0]:
        return picture
    x, y = drawn_P[1:].reshape(4, 2).T.tolist()
    first = [[0, 0], [95, 0], [95, 95], [0, 95]]
    return tv.perspective(picture, first, [[x[0], y[0]], [95 - x[1], y[1]], [95 - x[2], 95 - y[2]], [x[3], 95 - y[3]]])


TWINS: dict[type, Callable[..., Picture]] = {
    PillowJitter: jittered,
    steps.Flip: flipped,
    steps.PaddedCrop: padded_crop,
    steps.ResizedCrop: resized_crop,
    steps.Rotation: rotated,
    steps.Perspective: in_perspective,
}


def as_in_pillow(step: steps.Step, images: Tensor, drawn_NP: Tensor) -> Tensor:
    """Return images on whole levels of 255 after a step with the given draws, each as an 8-bit Pillow image."""
    return through_pillow(images, lambda picture, number: TWINS[type(step)](picture, step, drawn_NP[number]))


def levels_off(ours: Tensor, theirs: Tensor) -> tuple[float, float]:
    """Return the mean of ours minus theirs in levels of 255, and the share of values that differ by half a level."""
    difference = (ours - theirs).double() * 255
    return float(difference.mean()), float((difference.abs() > 0.5).double().mean())


def on_levels(images: Tensor) -> Tensor:
    """Return images on the next whole levels of 255."""
    return torch.round(images * 255) / 255
