"""The improved autoencoder's parts: their shapes, the residual blocks, the order of sub-pixels."""

import pytest
import torch
from torch import nn

from pse_repro.models import Downsample, ResidualBlock, pixelshuffle_decoder, residual_encoder, upsampling
from pse_repro.seeding import seeded


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("side", [96, 64, 24, 17, 16])
def test_the_encoder_takes_images_of_several_sizes(side: int) -> None:
    assert residual_encoder()(noise(2, 3, side, side)).shape == (2, 256)


@pytest.mark.parametrize("latent_size", [256, 1024])
def test_the_decoder_gives_images(latent_size: int) -> None:
    found = pixelshuffle_decoder(latent_size)(noise(2, latent_size))
    assert found.shape == (2, 3, 96, 96)
    assert ((found >= 0) & (found <= 1)).all()


def test_the_networks_have_the_stated_parameters() -> None:
    networks = residual_encoder(), pixelshuffle_decoder(256), pixelshuffle_decoder(1024)
    counts = [sum(parameter.numel() for parameter in network.parameters()) for network in networks]
    assert counts == [3_774_688, 6_073_740, 7_843_212]


@pytest.mark.parametrize("side", [5, 6])
def test_halving_sees_every_pixel(side: int) -> None:
    maps = noise(1, 2, side, side).requires_grad_()
    found = Downsample(2, 4)(maps)
    assert found.shape == (1, 4, 3, 3)
    (gradient,) = torch.autograd.grad(found.square().sum(), maps)
    assert gradient.all()


def test_a_block_is_its_five_layers_added_to_what_came_in() -> None:
    with seeded("block"):
        block = ResidualBlock(4)
    kinds = [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU, nn.Conv2d, nn.BatchNorm2d]
    assert [type(layer) for layer in block.branch] == kinds
    maps = noise(2, 4, 5, 6)
    expected = maps
    for layer in block.branch:
        expected = layer(expected)
    torch.testing.assert_close(block(maps), maps + expected)
    nn.init.zeros_(block.branch[-1].weight)
    assert torch.equal(block(maps), maps)


def test_a_pixels_four_go_to_its_four_places() -> None:
    with seeded("up-sampling"):
        network = upsampling(5, 2)
    maps = noise(1, 5, 3, 4)
    before, after = network[0](maps), network(maps)  # type: ignore[index]
    assert after.shape == (1, 2, 6, 8)
    for channel, row, column, below, right in torch.cartesian_prod(*map(torch.arange, (2, 3, 4, 2, 2))).tolist():
        source = before[0, 4 * channel + 2 * below + right, row, column]
        assert after[0, channel, 2 * row + below, 2 * column + right] == source
