"""Properties of PSE that hold for all images; each is provable, with a short reason where it is not obvious.

R is the absolute residual, K the 2-D kernel, N the number of values. All values are float64.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pse_repro import PSELoss
from pse_repro.kernels import KERNELS, PADDINGS, border_matrix, kernel_1d

kernels = st.sampled_from(KERNELS)
sigmas = st.floats(0.0, 4.0)
masses = st.floats(0.1, 3.0)
keeping = st.sampled_from(["zeros", "circular"])  # no pixel counts more than once
seeds = st.integers(0, 2**32 - 1)
sides = st.integers(1, 9)


@st.composite
def shapes(draw: st.DrawFn) -> tuple[int, ...]:
    """Draw (C, H, W) or (N, C, H, W), small."""
    batch = draw(st.sampled_from([(), (1,), (2,)]))
    return (*batch, draw(st.integers(1, 4)), draw(sides), draw(sides))


@st.composite
def residuals(draw: st.DrawFn) -> Tensor:
    """Draw signed residuals: dense noise, or noise with most values exactly zero."""
    rng = np.random.default_rng(draw(seeds))
    shape = draw(shapes())
    dense = torch.from_numpy(rng.uniform(-1, 1, shape))
    return dense * torch.from_numpy(rng.random(shape) < draw(st.sampled_from([0.1, 0.5, 1.0])))


@st.composite
def criteria(draw: st.DrawFn) -> PSELoss:
    """Draw a criterion that is valid for every image size: any kernel, sigma and mass, and a padding but reflect."""
    padding = draw(st.sampled_from(["zeros", "replicate", "circular"]))
    return PSELoss(draw(sigmas), kernel=draw(kernels), mass=draw(masses), padding=padding)


def pse(criterion: PSELoss, residual: Tensor) -> float:
    """Return the loss of a residual; it does not depend on the images themselves."""
    return float(criterion(residual, torch.zeros_like(residual)))


def square(side: int, blob: int, value: float) -> Tensor:
    """Return a zero image (1, side, side) with a centred square, `blob` pixels wide, of `value`."""
    image = torch.zeros(1, side, side, dtype=torch.float64)
    start = (side - blob) // 2
    image[:, start : start + blob, start : start + blob] = value
    return image


@given(residuals(), kernels, masses, st.sampled_from(PADDINGS))
def test_at_sigma_zero_it_is_mse_times_the_squared_mass(
    residual: Tensor, kernel: str, mass: float, padding: str
) -> None:
    mse = float(residual.square().mean())
    loss = pse(PSELoss(0, kernel=kernel, mass=mass, padding=padding), residual)
    assert loss == pytest.approx(mass**2 * mse, rel=1e-12)


@given(residuals(), kernels, st.floats(1e-3, 0.3), keeping)
def test_it_tends_to_mse_as_sigma_tends_to_zero(residual: Tensor, kernel: str, sigma: float, padding: str) -> None:
    # A 1-D kernel's variance is at most sigma^2, so all but sigma^2 of its weight is at the centre: R * K differs from
    # R by at most 2 sigma^2 max R, and their squares by 4 sigma^2 (max R)^2.
    loss = pse(PSELoss(sigma, kernel=kernel, padding=padding), residual)
    largest = float(residual.abs().max())
    assert abs(loss - float(residual.square().mean())) <= 4 * sigma**2 * largest**2 + 1e-14


@given(residuals(), kernels, sigmas, keeping)
def test_it_is_bounded_by_mse(residual: Tensor, kernel: str, sigma: float, padding: str) -> None:
    # Jensen: the square of a mean is at most the mean of the squares.
    loss = pse(PSELoss(sigma, kernel=kernel, padding=padding), residual)
    assert 0 <= loss <= float(residual.square().mean()) * (1 + 1e-12)


@given(shapes(), st.floats(-1, 1), kernels, sigmas)
def test_a_constant_residual_reaches_the_bound_where_there_are_no_borders(
    shape: tuple[int, ...], value: float, kernel: str, sigma: float
) -> None:
    residual = torch.full(shape, value, dtype=torch.float64)
    assert pse(PSELoss(sigma, kernel=kernel, padding="circular"), residual) == pytest.approx(value**2, rel=1e-12)


@given(kernels, st.floats(0, 2), st.integers(1, 4))
def test_a_constant_residual_keeps_its_density_away_from_zero_borders(kernel: str, sigma: float, inner: int) -> None:
    criterion = PSELoss(sigma, kernel=kernel)
    radius = len(criterion.weights) // 2
    constant = torch.full((1, 2 * radius + inner, 2 * radius + inner), 0.7, dtype=torch.float64)
    density = criterion.loss_map(constant, torch.zeros_like(constant))
    middle = density[:, radius : radius + inner, radius : radius + inner]
    torch.testing.assert_close(middle, torch.full_like(middle, 0.7), rtol=1e-12, atol=0)


@given(kernels, st.floats(1, 1.5), st.integers(7, 12), st.sampled_from(["reflect", "replicate"]))
def test_the_bound_does_not_hold_for_borders_that_count_a_pixel_more_than_once(
    kernel: str, sigma: float, size: int, padding: str
) -> None:
    # The worst residual is the first right singular vector; its entries have one sign, as the matrix is non-negative.
    criterion = PSELoss(sigma, kernel=kernel, padding=padding)
    worst = torch.linalg.svd(border_matrix(criterion.weights, size, padding))[2][0].abs()
    residual = torch.outer(worst, worst)[None]
    assert pse(criterion, residual) > float(residual.square().mean()) * (1 + 1e-6)


@given(residuals(), kernels, st.floats(30, 60))
def test_a_huge_sigma_leaves_each_channels_mean_residual_squared(residual: Tensor, kernel: str, factor: float) -> None:
    sigma = factor * max(residual.shape[-2:])
    expected = float(residual.abs().mean((-2, -1)).square().mean())
    loss = pse(PSELoss(sigma, kernel=kernel, padding="circular"), residual)
    assert loss == pytest.approx(expected, rel=0.05)


@given(st.floats(0.01, 0.9), st.integers(1, 9), seeds)
def test_a_huge_sigma_gives_the_squared_mae_where_all_channels_have_the_same(mae: float, side: int, seed: int) -> None:
    noise = torch.from_numpy(np.random.default_rng(seed).uniform(0.1, 1, (3, side, side)))
    residual = mae * noise / noise.mean((-2, -1), keepdim=True)
    loss = pse(PSELoss(100.0 * side, padding="circular"), residual)
    assert loss == pytest.approx(mae**2, rel=1e-4)


@given(kernels, st.floats(0, 2.5), masses, st.floats(-1, 1))
def test_one_pixel_of_error_costs_the_kernels_energy(kernel: str, sigma: float, mass: float, error: float) -> None:
    criterion = PSELoss(sigma, kernel=kernel, mass=mass)
    residual = square(21, 1, error)
    energy = float(torch.outer(criterion.weights, criterion.weights).square().sum())
    assert pse(criterion, residual) == pytest.approx(error**2 * energy / residual.numel(), rel=1e-12)


@given(st.floats(1, 6))
def test_an_outlier_weighs_four_pi_sigma_squared_times_less(sigma: float) -> None:
    residual = square(49, 1, 0.5)
    expected = 0.5**2 / (4 * math.pi * sigma**2 * residual.numel())
    assert pse(PSELoss(sigma), residual) == pytest.approx(expected, rel=5e-3)


@given(kernels, st.floats(0.5, 3), st.booleans())
def test_the_same_energy_costs_less_the_smaller_its_blob(kernel: str, sigma: float, alternating: bool) -> None:
    criterion = PSELoss(sigma, kernel=kernel, padding="circular")
    costs = []
    for blob in (1, 2, 3, 5, 8):
        residual = square(24, blob, 1 / blob)  # energy 1 at any size
        signs = torch.ones(24, dtype=torch.float64)
        signs[::2] = -1 if alternating else 1  # signs do not matter
        costs.append(pse(criterion, residual * signs))
    assert costs == sorted(costs)
    assert costs[-1] > costs[0] * 1.2


@given(residuals(), criteria(), st.floats(-3, 3))
def test_it_is_homogeneous_of_degree_two(residual: Tensor, criterion: PSELoss, factor: float) -> None:
    expected = factor**2 * pse(criterion, residual)
    assert pse(criterion, factor * residual) == pytest.approx(expected, rel=1e-10, abs=1e-200)


@given(residuals(), criteria(), seeds)
def test_signs_do_not_matter_nor_which_argument_comes_first(residual: Tensor, criterion: PSELoss, seed: int) -> None:
    rng = np.random.default_rng(seed)
    signs = torch.from_numpy(rng.choice([-1.0, 1.0], residual.shape))
    assert pse(criterion, signs * residual) == pse(criterion, residual)
    image = torch.from_numpy(rng.random(residual.shape))
    assert torch.equal(criterion(image + residual, image), criterion(image, image + residual))


@given(criteria(), shapes(), seeds, st.floats(0, 1))
def test_it_is_convex_in_the_residual(criterion: PSELoss, shape: tuple[int, ...], seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    first, second = (torch.from_numpy(rng.uniform(-1, 1, shape)) for _ in range(2))
    between = pse(criterion, share * first + (1 - share) * second)
    assert between <= share * pse(criterion, first) + (1 - share) * pse(criterion, second) + 1e-14


@settings(max_examples=25)
@given(st.integers(1, 2), st.integers(1, 5), st.integers(1, 5), criteria(), st.sampled_from(["mean", "sum"]), seeds)
def test_the_gradient_is_that_of_finite_differences(
    channels: int, height: int, width: int, criterion: PSELoss, reduction: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    target = torch.from_numpy(rng.random((channels, height, width)))
    # away from the kink of |.|
    away = torch.from_numpy(rng.choice([-1.0, 1.0], target.shape) * rng.uniform(0.1, 1, target.shape))
    criterion.reduction = reduction
    assert torch.autograd.gradcheck(lambda image: criterion(image, target), (target + away).requires_grad_())


@given(residuals(), criteria())
def test_the_gradient_is_the_formula_and_finite_everywhere(residual: Tensor, criterion: PSELoss) -> None:
    image = residual.clone().requires_grad_()
    gradient = torch.autograd.grad(criterion(image, torch.zeros_like(image)), image)[0]
    rows, columns = (border_matrix(criterion.weights, size, criterion.padding) for size in residual.shape[-2:])
    smoothed = rows.T @ (rows @ residual.abs() @ columns.T) @ columns
    torch.testing.assert_close(gradient, 2 / residual.numel() * residual.sign() * smoothed, rtol=1e-9, atol=1e-15)
    assert gradient.isfinite().all()


@given(residuals(), kernels, sigmas, st.sampled_from(PADDINGS))
def test_smoothing_is_one_matrix_for_rows_and_one_for_columns(
    residual: Tensor, kernel: str, sigma: float, padding: str
) -> None:
    # A column of the matrix is the response to one pixel, computed here by smoothing along one axis.
    height, width = residual.shape[-2:]
    radius = min(height, width) - 1 if padding == "reflect" else None
    criterion = PSELoss(sigma, kernel=kernel, radius=radius, padding=padding)
    mode = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}[padding]
    weights = criterion.weights.numpy()
    reach = len(weights) // 2

    def smooth(line: np.ndarray) -> np.ndarray:
        return np.correlate(np.pad(line, reach, mode=mode), weights, mode="valid")  # type: ignore[call-overload]

    rows, columns = (np.stack([smooth(pixel) for pixel in np.eye(size)], axis=1) for size in (height, width))
    density = criterion.loss_map(residual, torch.zeros_like(residual))
    np.testing.assert_allclose(density.numpy(), rows @ residual.abs().numpy() @ columns.T, rtol=1e-9, atol=1e-14)


@given(kernels, sigmas, st.integers(1, 30))
def test_the_matrix_of_zero_borders_is_banded_and_toeplitz(kernel: str, sigma: float, size: int) -> None:
    weights = kernel_1d(kernel, sigma, None, 1.0)
    matrix = border_matrix(weights, size, "zeros")
    distance = (torch.arange(size)[:, None] - torch.arange(size)).abs()
    assert not matrix[distance > len(weights) // 2].any()
    assert torch.equal(matrix[1:, 1:], matrix[:-1, :-1])
    assert torch.equal(matrix, matrix.T)
