"""Conversion from CIE Lab (D65) to sRGB, the inverse of the kit's."""

import torch
from torch import Tensor

from pse_repro.objectives.shared.lab import OFFSET, RGB_TO_XYZ, SLOPE, SMALL, WHITE

XYZ_TO_RGB = torch.tensor(RGB_TO_XYZ, dtype=torch.float64).inverse()


def lab_to_rgb(lab_NCHW: Tensor) -> Tensor:
    """Return the RGB of Lab (N, 3, H, W); values are outside [0, 1] for colours that sRGB does not have."""
    lightness, a, b = lab_NCHW.double().unbind(1)
    y = (lightness + 16) / 116
    roots = torch.stack([y + a / 500, y, y - b / 200], 1)
    xyz = torch.where(roots**3 > SMALL, roots**3, (roots - OFFSET) / SLOPE) * torch.tensor(WHITE)[:, None, None]
    linear = torch.einsum("ij,njhw->nihw", XYZ_TO_RGB, xyz)
    rgb = torch.where(linear > 0.0031308, 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055, 12.92 * linear)
    return rgb.to(lab_NCHW.dtype)
