"""The improved autoencoder of the homework report: residual blocks, learned down-sampling, sub-pixel up-sampling.

Source: the report's improvement 1; PixelShuffle after W. Shi et al., *Real-Time Single Image and Video Super-Resolution
Using an Efficient Sub-Pixel Convolutional Neural Network*, arXiv 1609.05158. The report gives the kinds of layers; the
widths are those of the study's CNN.
Shapes: N images (N, 3, 96, 96) in [0, 1], D latent values.
"""

from torch import Tensor, nn

LATENT_SIZE = 256
WIDTHS = (32, 64, 128, 256, 256)  # at sides of 48, 24, 12, 6 and 3


class Halving(nn.Conv2d):
    """Learned 2 x 2 down-sampling of stride 2; an odd side, of a tile's map, gets one more row or column of zeros."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width, 2, stride=2)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        height, width = maps_NCHW.shape[-2:]
        return super().forward(nn.functional.pad(maps_NCHW, (0, width % 2, 0, height % 2)))


class ResidualBlock(nn.Module):
    """x + (conv 3x3, norm, act, conv 3x3, norm)(x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        before = [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(0.2)]
        self.branch = nn.Sequential(*before, nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        return maps_NCHW + self.branch(maps_NCHW)


def residual_encoder() -> nn.Module:
    """Five times a halving and a residual block, then a linear layer: (N, 256); 3,774,688 parameters.

    Maps of other sizes than 3 x 3, of tiles, are first averaged or repeated to it.
    """
    layers: list[nn.Module] = []
    channels = 3
    for width in WIDTHS:
        layers += [Halving(channels, width), ResidualBlock(width)]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(channels * 3 * 3, LATENT_SIZE))


def pixelshuffle_decoder(latent_size: int) -> nn.Module:
    """Linear to 256 x 3 x 3, five sub-pixel up-samplings with residual blocks between: (N, 3, 96, 96) in [0, 1].

    6,073,740 parameters at a latent of 256, 7,843,212 at 1024.
    """
    channels = WIDTHS[-1]
    layers: list[nn.Module] = [nn.Linear(latent_size, channels * 3 * 3), nn.Unflatten(1, (channels, 3, 3))]
    for width in reversed(WIDTHS[:-1]):
        layers += [upsampling(channels, width), ResidualBlock(width)]
        channels = width
    return nn.Sequential(*layers, upsampling(channels, 3), nn.Sigmoid())


def upsampling(channels: int, width: int) -> nn.Module:
    """(N, channels, H, W) -> (N, width, 2H, 2W): a convolution makes each pixel's four, PixelShuffle spreads them."""
    return nn.Sequential(nn.Conv2d(channels, 4 * width, 3, padding=1), nn.PixelShuffle(2))
