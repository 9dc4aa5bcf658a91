"""Lab against scikit-image, kornia, one pixel at a time in plain floats, and published values."""

from collections.abc import Callable

import kornia.color
import numpy as np
import pytest
import skimage.color
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pse_repro.objectives.shared.lab import RGB_TO_XYZ, WHITE, rgb_to_lab
from tests.support.lab_back import lab_to_rgb

# Lab (D65) of sRGB's corners, as calculators give them
PUBLISHED = {
    (0, 0, 0): (0, 0, 0),
    (1, 1, 1): (100, 0, 0),
    (1, 0, 0): (53.24, 80.09, 67.20),
    (0, 1, 0): (87.73, -86.18, 83.18),
    (0, 0, 1): (32.30, 79.19, -107.86),
    (0, 1, 1): (91.11, -48.09, -14.13),
    (1, 0, 1): (60.32, 98.23, -60.82),
    (1, 1, 0): (97.14, -21.55, 94.48),
}
share = st.floats(0, 1)


def noise(dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(3, 3, 8, 9, generator=torch.Generator().manual_seed(0)).to(dtype)


def pixel(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(1, 3, 1, 1)


def slow(red: float, green: float, blue: float) -> list[float]:
    """Convert one pixel step by step; without the cube root's linear part, which only the darkest colours need."""
    linear = [((value + 0.055) / 1.055) ** 2.4 if value > 0.04045 else value / 12.92 for value in (red, green, blue)]
    xyz = [sum(weight * value for weight, value in zip(row, linear, strict=True)) for row in RGB_TO_XYZ]
    x, y, z = ((value / white) ** (1 / 3) for value, white in zip(xyz, WHITE, strict=True))
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


def scikit_image(images_NCHW: Tensor) -> Tensor:
    found = skimage.color.rgb2lab(images_NCHW.permute(0, 2, 3, 1).numpy())
    return torch.from_numpy(np.asarray(found)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("theirs", [scikit_image, kornia.color.rgb_to_lab], ids=["scikit-image", "kornia"])
def test_it_is_what_others_have(theirs: Callable[[Tensor], Tensor]) -> None:
    for images in (noise(), noise() / 30):  # dark images use the linear parts
        torch.testing.assert_close(rgb_to_lab(images), theirs(images), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(("rgb", "lab"), PUBLISHED.items())
def test_corners_have_their_published_values(rgb: tuple[float, ...], lab: tuple[float, ...]) -> None:
    assert rgb_to_lab(pixel(*rgb)).flatten().tolist() == pytest.approx(lab, abs=0.02)


@given(st.floats(0.15, 1), st.floats(0.15, 1), st.floats(0.15, 1))
def test_it_is_the_step_by_step_value(red: float, green: float, blue: float) -> None:
    assert rgb_to_lab(pixel(red, green, blue)).flatten().tolist() == pytest.approx(slow(red, green, blue), abs=1e-9)


@given(share, share, share)
def test_back_is_the_inverse(red: float, green: float, blue: float) -> None:
    there = rgb_to_lab(pixel(red, green, blue))
    assert lab_to_rgb(there).flatten().tolist() == pytest.approx([red, green, blue], abs=1e-5)


def test_back_tells_colours_that_srgb_does_not_have() -> None:
    assert lab_to_rgb(pixel(50, 100, -100)).min() < 0
    assert lab_to_rgb(pixel(95, 60, 60)).max() > 1


def test_the_type_is_kept_under_autocast_too() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = rgb_to_lab(noise(torch.float32))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, rgb_to_lab(noise()).float(), rtol=1e-4, atol=1e-3)
