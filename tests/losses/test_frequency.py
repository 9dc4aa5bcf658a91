"""Focal frequency loss against sums over pixels in NumPy; its weight takes no gradient."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.losses import FocalFrequencyLoss, focal_frequency_loss
from tests.support.dense_loss import REDUCE, images


@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.0])
def test_it_is_the_weighted_spectrum_by_the_definition(alpha: float) -> None:
    input, target = images(2, 2, 5, 6), images(2, 2, 5, 6, seed=1)
    residual = (input - target).numpy()
    expected = np.zeros(residual.shape)
    rows, columns = np.mgrid[:5, :6]
    for place in np.ndindex(*residual.shape):
        wave = np.exp(-2j * np.pi * (place[2] * rows / 5 + place[3] * columns / 6))
        expected[place] = np.abs((residual[place[:2]] * wave).sum() / np.sqrt(30))
    largest = expected.max((2, 3), keepdims=True)
    expected = (expected / largest) ** alpha * expected**2
    for reduction, reduce in REDUCE.items():
        found = focal_frequency_loss(input, target, alpha=alpha, reduction=reduction)
        torch.testing.assert_close(found, reduce(torch.from_numpy(expected)), rtol=1e-9, atol=1e-12)


@given(st.integers(0, 2**32 - 2), st.integers(1, 9), st.integers(1, 9))
def test_it_is_mse_at_alpha_zero_and_never_above_it(seed: int, height: int, width: int) -> None:
    input, target = images(2, height, width, seed=seed), images(2, height, width, seed=seed + 1)
    mse = float((input - target).square().mean())
    assert float(focal_frequency_loss(input, target, alpha=0)) == pytest.approx(mse, rel=1e-9)
    assert 0 <= float(focal_frequency_loss(input, target)) <= mse * (1 + 1e-9)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_gradient_is_that_of_a_spectrum_with_constant_weights(reduction: str) -> None:
    target = images(1, 4, 6, seed=1)
    image = images(1, 4, 6).requires_grad_()
    size = torch.fft.fft2(image.detach() - target, norm="ortho").abs()

    def constant_weights(image: torch.Tensor) -> torch.Tensor:
        return REDUCE[reduction](size / size.max() * torch.fft.fft2(image - target, norm="ortho").abs().square())

    assert torch.autograd.gradcheck(constant_weights, image)
    (expected,) = torch.autograd.grad(constant_weights(image), image)
    (found,) = torch.autograd.grad(focal_frequency_loss(image, target, reduction=reduction), image)
    torch.testing.assert_close(found, expected)


def test_equal_images_give_zero_and_no_gradient() -> None:
    image = images(1, 3, 8, 8).requires_grad_()
    loss = focal_frequency_loss(image, image.detach())
    assert float(loss.detach()) == 0
    assert torch.equal(torch.autograd.grad(loss, image)[0], torch.zeros_like(image))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precisions_and_autocast_are_computed_in_float32(dtype: torch.dtype) -> None:
    input, target = images(2, 3, 24, 24, dtype=dtype), images(2, 3, 24, 24, seed=1, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        loss = focal_frequency_loss(input, target)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(focal_frequency_loss(input.double(), target.double())), rel=1e-4)


def test_an_alpha_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha is -1; expected 0 or more"):
        FocalFrequencyLoss(alpha=-1)
