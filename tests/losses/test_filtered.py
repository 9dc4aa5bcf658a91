"""Blurred and high-pass MSE against a dense convolution of the signed residual; what holds for all residuals."""

import pickle
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from pse_repro.kernels import KERNELS, PADDINGS
from pse_repro.losses import BlurredMSELoss, HighpassMSELoss, PSELoss, blurred_mse_loss, highpass_mse_loss
from pse_repro.residual import REDUCTIONS
from tests.support.dense_loss import REDUCE, images, reference_map

BOTH = [BlurredMSELoss, HighpassMSELoss]
FUNCTIONS: dict[type[PSELoss], Any] = {BlurredMSELoss: blurred_mse_loss, HighpassMSELoss: highpass_mse_loss}
sigmas = st.floats(0, 4)
kernels = st.sampled_from(KERNELS)
keeping = st.sampled_from(["zeros", "circular"])  # no pixel counts more than once


def noise(*shape: int, seed: int = 0) -> Tensor:
    return 2 * images(*shape, seed=seed) - 1


@st.composite
def residuals(draw: st.DrawFn) -> Tensor:
    """Draw signed residuals (2, H, W) or (1, 2, H, W) in float64."""
    sides = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    return noise(*draw(st.sampled_from([(), (1,)])), 2, *sides, seed=draw(st.integers(0, 2**32 - 1)))


def of(criterion: PSELoss, residual: Tensor) -> float:
    return float(criterion(residual, torch.zeros_like(residual)))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("mass", [1.0, 1 / 3])
@pytest.mark.parametrize("kind", BOTH)
def test_it_is_the_dense_convolution_squared(kind: type[PSELoss], mass: float, padding: str, reduction: str) -> None:
    input, target = images(2, 3, 14, 17), images(2, 3, 14, 17, seed=1)
    residual, criterion = input - target, kind(1.5, radius=5, mass=mass, padding=padding, reduction=reduction)
    filtered = reference_map(residual, criterion.weights, padding)
    if kind is HighpassMSELoss:
        filtered = mass * residual - filtered
    torch.testing.assert_close(criterion.loss_map(input, target), filtered)
    torch.testing.assert_close(criterion(input, target), REDUCE[reduction](filtered.square()))
    options = {"radius": 5, "mass": mass, "padding": padding, "reduction": reduction}
    assert torch.equal(FUNCTIONS[kind](input, target, 1.5, **options), criterion(input, target))


@given(residuals(), sigmas, kernels, st.sampled_from(["zeros", "replicate", "circular"]), st.floats(0.1, 3))
def test_blurred_mse_never_exceeds_pse_and_equals_it_for_one_sign(
    residual: Tensor, sigma: float, kernel: str, padding: str, mass: float
) -> None:
    # |K * r| <= K * |r| as the weights are not negative.
    blurred, pse = (loss(sigma, kernel=kernel, padding=padding, mass=mass) for loss in (BlurredMSELoss, PSELoss))
    assert 0 <= of(blurred, residual) <= of(pse, residual) * (1 + 1e-12)
    for one_sign in (residual.abs(), -residual.abs()):
        assert of(blurred, one_sign) == pytest.approx(of(pse, one_sign), rel=1e-12)


@given(residuals(), kernels, st.floats(0.1, 3), keeping)
def test_at_sigma_zero_the_blur_is_mse_and_nothing_is_left_of_the_high_pass(
    residual: Tensor, kernel: str, mass: float, padding: str
) -> None:
    mse = float(residual.square().mean())
    for kind in (BlurredMSELoss, PSELoss):
        loss = of(kind(0, kernel=kernel, mass=mass, padding=padding), residual)
        assert loss == pytest.approx(mass**2 * mse, rel=1e-12)
    assert of(HighpassMSELoss(0, kernel=kernel, padding=padding), residual) == 0
    assert of(HighpassMSELoss(0, kernel=kernel, mass=mass, padding=padding), residual) <= 1e-30


@given(residuals(), sigmas, kernels, st.floats(0.1, 3), st.sampled_from(BOTH))
def test_it_is_proportional_to_the_squared_mass(
    residual: Tensor, sigma: float, kernel: str, mass: float, kind: type[PSELoss]
) -> None:
    one = of(kind(sigma, kernel=kernel), residual)
    assert of(kind(sigma, kernel=kernel, mass=mass), residual) == pytest.approx(mass**2 * one, rel=1e-9, abs=1e-28)


@given(residuals(), sigmas, kernels, keeping)
def test_the_filtered_parts_add_up_to_the_residual(residual: Tensor, sigma: float, kernel: str, padding: str) -> None:
    low, high = (kind(sigma, kernel=kernel, padding=padding).loss_map for kind in BOTH)
    zeros = torch.zeros_like(residual)
    torch.testing.assert_close(low(residual, zeros) + high(residual, zeros), residual)


def test_a_checkerboard_is_all_that_the_high_pass_sees_and_a_constant_all_that_the_blur_does() -> None:
    row = torch.arange(16) % 2
    board = (2.0 * (row[:, None] ^ row) - 1).double()[None]
    for residual, seen, unseen in (
        (board, HighpassMSELoss, BlurredMSELoss),
        (board**0, BlurredMSELoss, HighpassMSELoss),
    ):
        assert of(seen(3, padding="circular"), residual) == pytest.approx(1, rel=1e-6)
        assert of(unseen(3, padding="circular"), residual) == pytest.approx(0, abs=1e-6)


@settings(max_examples=10)
@given(residuals(), sigmas, st.sampled_from(BOTH), st.sampled_from(REDUCTIONS))
def test_the_gradient_is_that_of_finite_differences(
    residual: Tensor, sigma: float, kind: type[PSELoss], reduction: str
) -> None:
    criterion = kind(sigma, reduction=reduction)
    target = torch.zeros_like(residual)
    assert torch.autograd.gradcheck(lambda image: criterion(image, target), residual.requires_grad_())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", BOTH)
def test_half_precisions_and_autocast_are_computed_in_float32(kind: type[PSELoss], dtype: torch.dtype) -> None:
    input, target = images(2, 3, 24, 24, dtype=dtype).requires_grad_(), images(2, 3, 24, 24, seed=1, dtype=dtype)
    expected = kind(3)(input.detach().double(), target.double())
    with torch.autocast("cpu", torch.bfloat16):
        loss = kind(3)(input, target)
    loss.backward()
    assert loss.dtype == torch.float32
    assert float(loss.detach()) == pytest.approx(float(expected), rel=1e-5)
    assert input.grad is not None
    assert input.grad.isfinite().all()


@pytest.mark.parametrize("kind", BOTH)
def test_what_cancels_is_never_negative_in_float32(kind: type[PSELoss]) -> None:
    row = torch.arange(96) % 2
    board = (0.5 * (2.0 * (row[:, None] ^ row) - 1)).expand(8, 3, 96, 96)
    constant = torch.full((8, 3, 96, 96), 0.5)
    for residual in (board, constant):
        assert of(kind(6, padding="circular"), residual) >= 0


@pytest.mark.parametrize("kind", BOTH)
def test_arguments_are_checked_and_copies_made_as_those_of_pse(kind: type[PSELoss]) -> None:
    with pytest.raises(ValueError, match="sigma is -1"):
        kind(-1)
    with pytest.raises(ValueError, match="expected equal shapes"):
        kind(1)(torch.zeros(3, 4, 4), torch.zeros(3, 4, 5))
    pair = images(1, 3, 8, 8), images(1, 3, 8, 8, seed=1)
    released = kind.as_released(2)
    assert type(released) is kind
    assert torch.equal(pickle.loads(pickle.dumps(released))(*pair), released(*pair))


def test_a_box_of_three_pixels_is_the_mean_of_nine() -> None:
    residual = noise(1, 1, 12, 12)
    blurred = BlurredMSELoss(1, kernel=torch.ones(3), padding="circular")
    mean = F.avg_pool2d(F.pad(residual, (1, 1, 1, 1), mode="circular"), 3, stride=1)
    assert of(blurred, residual) == pytest.approx(float(mean.square().mean()), rel=1e-12)
