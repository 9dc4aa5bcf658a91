"""Conversion of batches from sRGB to CIE Lab (D65, 2 degree observer).

Source: IEC 61966-2-1 (sRGB), CIE 15 (Lab); the matrix is that of scikit-image and kornia.
Shapes: (N, 3, H, W), computed in the input's type, also under autocast. RGB in [0, 1]; L in [0, 100], a in [-87, 99]
and b in [-108, 95] for sRGB's colours.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

RGB_TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
WHITE = (0.95047, 1.0, 1.08883)  # XYZ of D65
SMALL, SLOPE, OFFSET = 0.008856, 7.787, 16 / 116  # below SMALL the cube root is replaced by a straight line


def rgb_to_lab(images_NCHW: Tensor) -> Tensor:
    """Convert RGB in [0, 1] to Lab."""
    linear = torch.where(images_NCHW > 0.04045, ((images_NCHW + 0.055) / 1.055) ** 2.4, images_NCHW / 12.92)
    x, y, z = (_root(channel / white) for channel, white in zip(_mixed(linear, RGB_TO_XYZ), WHITE, strict=True))
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def _mixed(channels_NCHW: Tensor, matrix: Sequence[Sequence[float]]) -> list[Tensor]:
    """Apply the matrix to each pixel's channels, without a matrix product, which autocast would compute in bf16."""
    first, second, third = channels_NCHW.unbind(1)
    return [row[0] * first + row[1] * second + row[2] * third for row in matrix]


def _root(share: Tensor) -> Tensor:
    return torch.where(share > SMALL, share.clamp_min(SMALL) ** (1 / 3), SLOPE * share + OFFSET)
