"""The study's networks: CNN and ResNet encoders, one decoder, and the classifiers on latents.

Source: slides "CNN Encoder" and "ResNet Encoder"; sizes and parameter counts as in the released code.
The residual autoencoder is the homework report's improvement 1: residual blocks, learned down-sampling, sub-pixel
up-sampling (PixelShuffle: W. Shi et al., arXiv 1609.05158). The report specifies the kinds of layers; widths are the
CNN's.
Shapes: N images, D latent values, images (N, 3, 96, 96) in [0, 1].
Initialisation is PyTorch's default, except that torchvision draws the ResNet's convolutions from a normal distribution.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pse_repro.data.stl10 import CLASSES

WIDTHS = (32, 64, 128, 256, 256)  # of the CNN and the residual encoder, at sides of 48, 24, 12, 6 and 3


def cnn_encoder() -> nn.Module:
    """Build five 3 x 3 convolutions of stride 2 and a linear layer: (N, 3, 96, 96) -> (N, 256).

    It has 1,570,048 parameters.
    """
    layers: list[nn.Module] = []
    channels = 3
    for width in WIDTHS:
        layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.BatchNorm2d(width), nn.LeakyReLU(0.2)]
        channels = width
    return nn.Sequential(*layers, FlattenedMap(), nn.Linear(256 * 3 * 3, 256))


class FlattenedMap(nn.Module):
    """(N, C, 3, 3) -> (N, 9C); maps of other sizes, from tiles, are first averaged or repeated to 3 x 3."""

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        if maps_NCHW.shape[-2:] != (3, 3):
            maps_NCHW = average_to(maps_NCHW, 3)
        return maps_NCHW.flatten(1)


class AverageTo(nn.Module):
    """(N, C, H, W) -> (N, C, side, side) by `average_to`."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        return average_to(maps_NCHW, self.side)


def average_to(maps_NCHW: Tensor, side: int) -> Tensor:
    """Return maps (N, C, side, side) by adaptive average pooling, whose gradient on a GPU PyTorch sums in any order."""
    if maps_NCHW.is_cuda and torch.are_deterministic_algorithms_enabled():
        return window_means(maps_NCHW, side)
    return nn.functional.adaptive_avg_pool2d(maps_NCHW, side)


def window_means(maps_NCHW: Tensor, side: int) -> Tensor:
    """Return the means (N, C, side, side) of the windows of adaptive pooling, with gradients that are deterministic."""
    for axis in (2, 3):
        size = maps_NCHW.shape[axis]
        windows = [(size * n // side, -(-size * (n + 1) // side)) for n in range(side)]
        parts = [maps_NCHW.narrow(axis, start, end - start).mean(axis, keepdim=True) for start, end in windows]
        maps_NCHW = torch.cat(parts, axis)
    return maps_NCHW


def resnet_encoder() -> nn.Module:
    """Build ResNet-18 with a 3 x 3 stem of stride 1 and a linear layer: (N, 3, 96, 96) -> (N, 1024).

    It has 15,888,448 parameters: 11,168,832 of the trunk, without torchvision's 1000-way head (513,000 more, unused in
    the released code), and 4,719,616 of the projection.
    """
    from torchvision.models import resnet18  # takes two seconds, and most commands build no network

    trunk = resnet18()
    trunk.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
    trunk.avgpool = AverageTo(3)
    trunk.fc = nn.Linear(512 * 3 * 3, 1024)
    return trunk  # type: ignore[no-any-return]


class Downsample(nn.Conv2d):
    """Learned 2 x 2 down-sampling of stride 2; odd sides (of tiles' maps) are padded by a row or column of zeros."""

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
    """Build five pairs of down-sampling and residual block, and a linear layer: (N, 3, 96, 96) -> (N, 256).

    It has 3,774,688 parameters. Maps of other sizes than 3 x 3, from tiles, are first averaged or repeated to 3 x 3.
    """
    layers: list[nn.Module] = []
    channels = 3
    for width in WIDTHS:
        layers += [Downsample(channels, width), ResidualBlock(width)]
        channels = width
    return nn.Sequential(*layers, AverageTo(3), nn.Flatten(), nn.Linear(channels * 3 * 3, 256))


def decoder(latent_size: int) -> nn.Module:
    """Build a linear layer to 256 x 3 x 3, five transposed convolutions, sigmoid: (N, D) -> (N, 3, 96, 96) in [0, 1].

    It has 3,936,771 parameters for a latent of 256, 5,706,243 for 1024. The maps' sides are 3, 10, 23, 48, 96, 96.
    """
    layers: list[nn.Module] = [nn.Linear(latent_size, 256 * 3 * 3), nn.Unflatten(1, (256, 3, 3)), nn.LeakyReLU(0.2)]
    channels = 256
    for width, kernel, stride, padding in ((256, 6, 2, 0), (128, 5, 2, 0), (64, 4, 2, 0), (32, 4, 2, 1)):
        layers += [nn.ConvTranspose2d(channels, width, kernel, stride, padding)]
        layers += [nn.BatchNorm2d(width), nn.LeakyReLU(0.2)]
        channels = width
    return nn.Sequential(*layers, nn.ConvTranspose2d(channels, 3, 3, 1, 1), nn.Sigmoid())


def pixelshuffle_decoder(latent_size: int) -> nn.Module:
    """Build a linear layer to 256 x 3 x 3 and five sub-pixel up-samplings with residual blocks in between.

    (N, D) -> (N, 3, 96, 96) in [0, 1]. It has 6,073,740 parameters for a latent of 256, 7,843,212 for 1024.
    """
    channels = WIDTHS[-1]
    layers: list[nn.Module] = [nn.Linear(latent_size, channels * 3 * 3), nn.Unflatten(1, (channels, 3, 3))]
    for width in reversed(WIDTHS[:-1]):
        layers += [upsampling(channels, width), ResidualBlock(width)]
        channels = width
    return nn.Sequential(*layers, upsampling(channels, 3), nn.Sigmoid())


def upsampling(channels: int, width: int) -> nn.Module:
    """Build (N, channels, H, W) -> (N, width, 2H, 2W): a convolution to four values per pixel, and PixelShuffle."""
    return nn.Sequential(nn.Conv2d(channels, 4 * width, 3, padding=1), nn.PixelShuffle(2))


@dataclass(frozen=True)
class Encoder:
    """An encoder's constructor and the number of values in its latents."""

    build: Callable[[], nn.Module]
    latent_size: int


ENCODERS = {
    "cnn": Encoder(cnn_encoder, 256),
    "resnet": Encoder(resnet_encoder, 1024),
    "residual": Encoder(residual_encoder, 256),
}


class Autoencoder(nn.Module):
    """An encoder and its decoder; `forward` returns (latent (N, D), reconstruction (N, 3, 96, 96) in [0, 1])."""

    def __init__(self, encoder: nn.Module, latent_size: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder(latent_size)
        self.latent_size = latent_size

    def forward(self, images_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        latent_ND = self.encoder(images_NCHW)
        return latent_ND, self.decoder(latent_ND)


def build_encoder(encoder: str) -> nn.Module:
    """Build the encoder "cnn", "resnet" or "residual"; ValueError for another name.

    Encoders also accept tiles: square images of 16 pixels or more.
    """
    if encoder not in ENCODERS:
        raise ValueError(f"encoder is {encoder!r}; expected one of {', '.join(ENCODERS)}")
    return ENCODERS[encoder].build()


def build_autoencoder(encoder: str) -> Autoencoder:
    """Build the study's autoencoder with the named encoder; ValueError for an unknown name."""
    return Autoencoder(build_encoder(encoder), ENCODERS[encoder].latent_size)


def encoder_of(network: nn.Module) -> nn.Module:
    """Return the encoder of an objective's network."""
    encoder = network.encoder
    assert isinstance(encoder, nn.Module)  # part of the contract of `Objective.network`
    return encoder


class EncoderWithHead(nn.Module):
    """An encoder and a pretext task's head on its latents (N, D), which is discarded afterwards."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, images_NCHW: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.encoder(images_NCHW))
        return outputs


def build_classifier(kind: str, latent_size: int) -> nn.Module:
    """Build a classifier (N, D) -> logits (N, 10) with the hidden layers of switch 9.

    "two-hidden" is the released code's; "one-hidden" is two fully-connected layers as on the slides; "one-hidden-relu"
    is that of the author's earlier run. ValueError for another name.
    """
    first = [nn.Linear(latent_size, 128), nn.Sigmoid(), nn.Dropout(0.1)]
    if kind == "two-hidden":
        return nn.Sequential(*first, nn.Linear(128, 128), nn.Sigmoid(), nn.Dropout(0.5), nn.Linear(128, CLASSES))
    if kind == "one-hidden":
        return nn.Sequential(*first, nn.Linear(128, CLASSES))
    if kind == "one-hidden-relu":
        return nn.Sequential(nn.Linear(latent_size, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, CLASSES))
    raise ValueError(f"classifier is {kind!r}; expected two-hidden, one-hidden or one-hidden-relu")
