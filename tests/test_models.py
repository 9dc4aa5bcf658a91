"""The networks have the study's parameter counts, shapes and ranges."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pse_repro.models import (
    ENCODERS,
    FlattenedMap,
    build_autoencoder,
    build_classifier,
    build_encoder,
    decoder,
    window_means,
)


def parameters(*modules: nn.Module) -> int:
    """Return the total number of the modules' parameters."""
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("latent_size", "count"), [(256, 3_936_771), (1024, 5_706_243)])
def test_the_decoder_has_the_studys_parameters(latent_size: int, count: int) -> None:
    assert parameters(decoder(latent_size)) == count


def test_the_cnn_has_the_studys_parameters() -> None:
    autoencoder = build_autoencoder("cnn")
    assert parameters(autoencoder.encoder) == 1_570_048
    assert parameters(autoencoder) == 5_506_819


def test_the_residual_encoder_has_the_cnns_latent_and_decoder() -> None:
    autoencoder = build_autoencoder("residual")
    assert autoencoder.latent_size == ENCODERS["cnn"].latent_size
    assert parameters(autoencoder.encoder) == 3_774_688
    assert parameters(autoencoder) == 3_774_688 + 3_936_771


def test_the_resnet_has_the_studys_parameters_without_the_unused_head() -> None:
    encoder = build_autoencoder("resnet").encoder
    assert isinstance(encoder.fc, nn.Module)
    assert parameters(encoder.fc) == 4_719_616
    assert parameters(encoder) - parameters(encoder.fc) == 11_168_832


@pytest.mark.parametrize("encoder", ENCODERS)
def test_images_become_a_latent_and_a_reconstruction_between_zero_and_one(encoder: str, images: Tensor) -> None:
    autoencoder = build_autoencoder(encoder)
    latent, reconstruction = autoencoder(images)
    assert latent.shape == (2, ENCODERS[encoder].latent_size) == (2, autoencoder.latent_size)
    assert reconstruction.shape == images.shape
    assert 0 < reconstruction.min() < reconstruction.max() < 1
    # A sigmoid, not a clamp: the range holds for any latent.
    far = autoencoder.decoder(1e4 * latent)
    assert far.min() >= 0
    assert far.max() <= 1


def test_the_decoders_sides_grow_as_in_the_study() -> None:
    sides = []
    network = decoder(256)
    for layer in network.children():
        if isinstance(layer, nn.Unflatten | nn.ConvTranspose2d):
            layer.register_forward_hook(lambda _, __, output: sides.append((output.shape[1], *output.shape[2:])))
    network(torch.zeros(2, 256))
    assert sides == [(256, 3, 3), (256, 10, 10), (128, 23, 23), (64, 48, 48), (32, 96, 96), (3, 96, 96)]


def test_convolutions_and_activations_are_the_studys() -> None:
    cnn = build_autoencoder("cnn")
    for network, kind, expected in (
        (cnn.encoder, nn.Conv2d, [(3, 2, 1, width) for width in (32, 64, 128, 256, 256)]),
        (cnn.decoder, nn.ConvTranspose2d, [(6, 2, 0, 256), (5, 2, 0, 128), (4, 2, 0, 64), (4, 2, 1, 32), (3, 1, 1, 3)]),
    ):
        layers = list(network.children())
        found = [
            (layer.kernel_size[0], layer.stride[0], layer.padding[0], layer.out_channels)
            for layer in layers
            if isinstance(layer, kind)
        ]
        assert found == expected
        assert [layer.negative_slope for layer in layers if isinstance(layer, nn.LeakyReLU)] == [0.2] * 5
        names = "".join(
            type(layer).__name__[0] for layer in layers
        )  # Conv, Batch, Leaky, Flatten, Linear, Unflatten...
        assert names == ("CBL" * 5 + "FL" if kind is nn.Conv2d else "LUL" + "CBL" * 4 + "CS")


def test_the_encoders_end_on_three_by_three(images: Tensor) -> None:
    cnn = build_autoencoder("cnn").encoder
    assert isinstance(cnn, nn.Sequential)
    assert cnn[:-2](images).shape == (2, 256, 3, 3)
    resnet = build_autoencoder("resnet").encoder
    shapes = []
    for name in ("conv1", "maxpool", "avgpool"):
        resnet.get_submodule(name).register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape)))
    resnet(images)
    assert shapes == [(2, 64, 96, 96), (2, 64, 48, 48), (2, 512, 3, 3)]


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (3, 3), (6, 6), (7, 4), (12, 11)])
def test_the_deterministic_average_is_adaptive_pooling(size: tuple[int, int]) -> None:
    maps = torch.rand(2, 3, *size, dtype=torch.float64, requires_grad=True)
    found, expected = window_means(maps, 3), nn.functional.adaptive_avg_pool2d(maps, 3)
    torch.testing.assert_close(found, expected)
    (gradient,), (slow,) = (torch.autograd.grad(pooled.square().sum(), maps) for pooled in (found, expected))
    torch.testing.assert_close(gradient, slow)


def test_the_resnets_convolutions_are_drawn_normally_but_for_the_stem() -> None:
    torch.manual_seed(0)
    resnet = build_autoencoder("resnet").encoder
    drawn, stem = (resnet.get_parameter(name).detach() for name in ("layer4.0.conv2.weight", "conv1.weight"))
    deviation = (2 / (512 * 9)) ** 0.5  # Kaiming, fan-out
    assert float(drawn.std()) == pytest.approx(deviation, rel=0.01)
    assert float((drawn.abs() > 2 * deviation).float().mean()) == pytest.approx(0.0455, rel=0.05)  # a normal's tails
    assert float(stem.abs().max()) <= 27**-0.5  # PyTorch's default: uniform within 1 / sqrt(fan-in)


@pytest.mark.parametrize("latent_size", {encoder.latent_size for encoder in ENCODERS.values()})
@pytest.mark.parametrize(
    ("kind", "layers"),
    [
        ("two-hidden", ["Linear", "Sigmoid", "Dropout", "Linear", "Sigmoid", "Dropout", "Linear"]),
        ("one-hidden", ["Linear", "Sigmoid", "Dropout", "Linear"]),
        ("one-hidden-relu", ["Linear", "ReLU", "Dropout", "Linear"]),
    ],
)
def test_classifiers_go_from_the_latent_through_128_to_ten_classes(
    kind: str, layers: list[str], latent_size: int
) -> None:
    classifier = build_classifier(kind, latent_size)
    assert classifier(torch.zeros(5, latent_size)).shape == (5, 10)
    assert [type(layer).__name__ for layer in classifier.children()] == layers
    hidden = 128 * 128 + 128 if kind == "two-hidden" else 0
    assert parameters(classifier) == (latent_size + 1) * 128 + hidden + 129 * 10
    rates = [layer.p for layer in classifier.children() if isinstance(layer, nn.Dropout)]
    assert rates == [0.1, 0.5][: len(rates)]


def test_a_map_of_three_by_three_is_flattened_bit_for_bit() -> None:
    maps = torch.randn(2, 5, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(FlattenedMap()(maps), maps.flatten(1))


@given(height=st.integers(1, 9), width=st.integers(1, 9), values=st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_maps_of_other_sizes_are_averaged_or_repeated(height: int, width: int, values: int) -> None:
    """Cell (i, j) is the mean of rows floor(i H / 3) to ceil((i + 1) H / 3) and of columns likewise."""
    maps = torch.randn(1, 2, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(values))
    rows, columns = ([range(i * size // 3, -(-(i + 1) * size // 3)) for i in range(3)] for size in (height, width))
    expected = [
        sum(float(maps[0, channel, y, x]) for y in ys for x in xs) / (len(ys) * len(xs))
        for channel in range(2)
        for ys in rows
        for xs in columns
    ]
    torch.testing.assert_close(FlattenedMap()(maps), torch.tensor([expected], dtype=torch.float64))


@pytest.mark.parametrize("side", [16, 24, 32])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_encoders_take_tiles(encoder: str, side: int) -> None:
    latents = build_encoder(encoder)(torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)))
    assert latents.shape == (2, ENCODERS[encoder].latent_size)
    assert torch.isfinite(latents).all()
    assert not torch.equal(*latents)  # what the tiles show reaches the latents


@pytest.mark.parametrize("build", [build_encoder, build_autoencoder])
def test_an_unknown_encoder_is_refused_by_name(build: Callable[[str], nn.Module]) -> None:
    with pytest.raises(ValueError, match=r"^encoder is 'vit'; expected one of cnn, resnet, residual$"):
        build("vit")


def test_an_unknown_classifier_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="classifier is 'linear'; expected two-hidden, one-hidden or one-hidden-relu"):
        build_classifier("linear", 256)
