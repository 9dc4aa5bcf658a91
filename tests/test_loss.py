"""PSE equals its slow definition: pad, convolve densely in two dimensions, square, average; what it refuses."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pse_repro import PSELoss, pse_loss
from pse_repro.kernels import KERNELS, PADDINGS, kernel_1d
from pse_repro.residual import REDUCTIONS
from tests.support.dense_loss import REDUCE, images, reference_map


@pytest.mark.parametrize("shape", [(2, 3, 9, 14), (1, 1, 13, 11), (2, 2, 10, 10), (4, 11, 9)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_pse_is_the_dense_convolution_squared(
    kernel: str, padding: str, reduction: str, shape: tuple[int, ...]
) -> None:
    first, second = images(*shape), images(*shape, seed=1)
    expected = reference_map((first - second).abs(), kernel_1d(kernel, 1.7, None, 1.0), padding).square()
    loss = pse_loss(first, second, 1.7, kernel=kernel, padding=padding, reduction=reduction)
    torch.testing.assert_close(loss, REDUCE[reduction](expected), rtol=1e-11, atol=0)


@pytest.mark.parametrize("radius", [9, 10, 25, 60])
@pytest.mark.parametrize("padding", ["zeros", "replicate", "circular"])
def test_kernels_wider_than_the_image_meet_its_borders_as_often_as_they_must(padding: str, radius: int) -> None:
    first, second = images(2, 2, 9, 10), images(2, 2, 9, 10, seed=1)
    expected = reference_map((first - second).abs(), kernel_1d("gaussian", 15.0, radius, 1.0), padding)
    density = PSELoss(15.0, radius=radius, padding=padding).loss_map(first, second)
    torch.testing.assert_close(density, expected, rtol=1e-11, atol=0)


@pytest.mark.parametrize(("radius", "mass"), [(0, 1.0), (1, 0.5), (3, 1 / 3), (5, 2.0)])
def test_radius_cuts_the_kernel_and_mass_is_its_sum(radius: int, mass: float) -> None:
    first, second = images(2, 3, 8, 9), images(2, 3, 8, 9, seed=1)
    line = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * 2.0**2))
    square = np.outer(line, line)
    kernel = torch.from_numpy(mass * square / square.sum())[None, None].expand(3, 1, -1, -1)
    expected = F.conv2d((first - second).abs(), kernel, padding="same", groups=3).square().mean()
    torch.testing.assert_close(pse_loss(first, second, 2.0, radius=radius, mass=mass), expected)


@pytest.mark.parametrize("sigma", [1, 3, 6])
def test_as_released_is_the_released_form(sigma: int) -> None:
    first, second = images(2, 3, 17, 20), images(2, 3, 17, 20, seed=1)
    side = torch.arange(-sigma, sigma + 1, dtype=torch.float64)
    line = torch.exp(-(side**2) / (2 * sigma**2))
    weight = torch.zeros(3, 3, 2 * sigma + 1, 2 * sigma + 1, dtype=torch.float64)
    for channel in range(3):
        weight[channel, channel] = line[:, None] * line[None, :]
    released = F.conv2d((first - second).abs(), weight / weight.sum(), padding="same").square().mean()
    torch.testing.assert_close(PSELoss.as_released(sigma)(first, second), released, rtol=1e-12, atol=0)


@pytest.mark.parametrize("weights", [[2.0], [1.0, 2.0, 1.0], [0.0, 1.0, 4.0, 2.0, 0.5]])
def test_a_tensor_of_weights_is_a_kernel_and_ignores_sigma_and_radius(weights: list[float]) -> None:
    first, second = images(2, 3, 8, 9), images(2, 3, 8, 9, seed=1)
    line = torch.tensor(weights, dtype=torch.float64)
    expected = reference_map((first - second).abs(), line / line.sum(), "replicate").square().mean()
    for sigma, radius in ((1.0, None), (math.nan, 7)):
        loss = pse_loss(first, second, sigma, kernel=line, radius=radius, padding="replicate")
        torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("mass", [1.0, 1 / 3])
@pytest.mark.parametrize("kernel", KERNELS)
def test_at_sigma_zero_it_is_mse_times_the_squared_mass(kernel: str, mass: float) -> None:
    first, second = images(2, 3, 8, 9), images(2, 3, 8, 9, seed=1)
    expected = mass**2 * F.mse_loss(first, second)
    torch.testing.assert_close(pse_loss(first, second, 0, kernel=kernel, mass=mass), expected, rtol=1e-14, atol=0)


def test_the_loss_map_is_the_density_of_the_inputs_shape() -> None:
    first, second = torch.zeros(1, 2, 9, 9), torch.zeros(1, 2, 9, 9)
    first[0, 1, 4, 4] = -0.5
    density = PSELoss(1.0, radius=2).loss_map(first, second)
    line = kernel_1d("gaussian", 1.0, 2, 1.0).float()
    assert density.shape == first.shape
    assert not density[0, 0].any()  # channels do not mix
    torch.testing.assert_close(density[0, 1, 2:7, 2:7], 0.5 * torch.outer(line, line))
    assert float(density.sum()) == pytest.approx(0.5)
    assert torch.equal(PSELoss(1.0, radius=2, reduction="none")(first, second), density.square())


def test_one_criterion_serves_images_of_several_sizes_and_types() -> None:
    criterion = PSELoss(1.0)
    for height, width, dtype in ((8, 9, torch.float32), (9, 8, torch.float64), (8, 9, torch.float64)):
        first, second = images(1, 3, height, width, dtype=dtype), images(1, 3, height, width, seed=1, dtype=dtype)
        loss = criterion(first, second)
        assert loss.dtype == dtype
        torch.testing.assert_close(loss, pse_loss(first, second, 1.0))


@pytest.mark.parametrize("sigma", [-1, math.nan, math.inf])
def test_a_sigma_that_is_negative_or_not_finite_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match=f"sigma is {sigma}; expected a finite number of pixels, 0 or more"):
        pse_loss(images(1, 3, 8, 8), images(1, 3, 8, 8), sigma)


@pytest.mark.parametrize("integer", [np.int64, np.int8, np.uint32])
def test_as_released_takes_numpys_whole_numbers(integer: type[np.integer]) -> None:
    first, second = images(2, 3, 17, 20), images(2, 3, 17, 20, seed=1)
    assert torch.equal(PSELoss.as_released(integer(3))(first, second), PSELoss.as_released(3)(first, second))  # type: ignore[arg-type]


@pytest.mark.parametrize("sigma", [2.5, 0, -1, True, 3.0, math.nan, 0.3, 1e-320, np.float64(3), np.int64(0)])
def test_as_released_takes_whole_numbers_from_one(sigma: float) -> None:
    with pytest.raises(
        ValueError, match=f"sigma is {sigma}; the released code takes whole numbers of pixels, 1 or more"
    ):
        PSELoss.as_released(sigma)  # type: ignore[arg-type]


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"input is \(1, 3, 8, 8\) and target \(1, 3, 8, 9\); expected equal shapes"):
        pse_loss(images(1, 3, 8, 8), images(1, 3, 8, 9), 1.0)


@pytest.mark.parametrize("shape", [(8, 8), (8,), (1, 1, 3, 8, 8)])
def test_what_is_not_an_image_or_a_batch_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(N, C, H, W\) or \(C, H, W\)") as caught:
        pse_loss(images(*shape), images(*shape), 1.0)
    assert f"input is {shape}" in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool, torch.complex64, torch.float8_e4m3fn])
def test_images_of_other_numbers_are_refused(dtype: torch.dtype) -> None:
    whole, floats = torch.zeros(1, 3, 8, 8, dtype=dtype), images(1, 3, 8, 8)
    with pytest.raises(TypeError, match=f"input is {dtype} and target torch.float64; expected floating-point images"):
        pse_loss(whole, floats, 1.0)
    with pytest.raises(TypeError, match=f"input is torch.float64 and target {dtype}; expected"):
        pse_loss(floats, whole, 1.0)


def test_numpy_images_are_refused_with_the_way_to_tensors() -> None:
    tensor = images(1, 3, 8, 8)
    with pytest.raises(TypeError, match="input is of type ndarray and target Tensor; expected tensors, which"):
        pse_loss(tensor.numpy(), tensor, 1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="input is of type Tensor and target NoneType; expected tensors"):
        pse_loss(tensor, None, 1.0)  # type: ignore[arg-type]


def test_a_video_is_refused_with_the_way_to_fold_it() -> None:
    first, second = images(2, 4, 3, 8, 8), images(2, 4, 3, 8, 8, seed=1)
    with pytest.raises(ValueError, match=r"fold the frames of videos \(N, T, C, H, W\) into N by flatten\(0, 1\)"):
        pse_loss(first, second, 1.0)
    assert pse_loss(first.flatten(0, 1), second.flatten(0, 1), 1.0).isfinite()


@pytest.mark.parametrize("sigma", [5e-324, 1e-320, 1e-3])
@pytest.mark.parametrize("kernel", KERNELS)
def test_at_a_tiny_sigma_it_is_mse(kernel: str, sigma: float) -> None:
    first, second = images(2, 3, 8, 9), images(2, 3, 8, 9, seed=1)
    loss = pse_loss(first, second, sigma, kernel=kernel)
    torch.testing.assert_close(loss, F.mse_loss(first, second), rtol=1e-5, atol=0)


@pytest.mark.parametrize("shape", [(1, 3, 8, 20), (1, 3, 20, 8)])
def test_a_reflect_radius_that_is_not_below_both_sides_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="radius is 8 and the image 8 pixels; reflect needs a radius below"):
        pse_loss(images(*shape), images(*shape, seed=1), 2.0, padding="reflect")
    assert pse_loss(images(*shape), images(*shape, seed=1), 2.0, padding="reflect", radius=7).isfinite()


@pytest.mark.parametrize(
    ("argument", "value"), [("padding", "wrap"), ("reduction", "median"), ("kernel", "cosine"), ("padding", "")]
)
def test_an_unknown_name_is_refused_with_those_that_are_known(argument: str, value: str) -> None:
    known = {"padding": PADDINGS, "reduction": REDUCTIONS, "kernel": KERNELS}[argument]
    with pytest.raises(ValueError, match=f"{argument} is '{value}'; expected one of {', '.join(known)}"):
        PSELoss(1.0, **{argument: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("mass", [0.0, -1.0, math.nan])
def test_a_mass_that_is_not_above_zero_is_refused(mass: float) -> None:
    with pytest.raises(ValueError, match=f"mass is {mass}"):
        PSELoss(1.0, mass=mass)


def test_an_even_number_of_weights_is_refused() -> None:
    with pytest.raises(ValueError, match=r"kernel is a tensor of shape \(4,\); expected one axis and an odd length"):
        PSELoss(1.0, kernel=torch.ones(4))
