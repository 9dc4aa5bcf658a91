"""Kernels have the deviation and the mass they claim, and border matrices smooth as padding and correlating does."""

import math
from itertools import product

import numpy as np
import pytest
import torch

from pse_repro.kernels import KERNELS, MAX_RADIUS, PADDINGS, border_matrix, kernel_1d

NUMPY_MODE = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def deviation(weights: torch.Tensor) -> float:
    """Return the standard deviation, in pixels, of weights about their middle."""
    offsets = torch.arange(len(weights)) - len(weights) // 2
    return math.sqrt(float((weights * offsets**2).sum() / weights.sum()))


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.7, 6.0])
@pytest.mark.parametrize("kernel", ["box", "epanechnikov", "triangular"])
def test_sigma_is_exactly_the_standard_deviation_of_kernels_that_end(kernel: str, sigma: float) -> None:
    assert deviation(kernel_1d(kernel, sigma, None, 1.0)) == pytest.approx(sigma, rel=1e-9)


@pytest.mark.parametrize("sigma", [1.0, 2.7, 6.0])
def test_sigma_is_the_standard_deviation_of_a_gaussian_but_for_its_cut(sigma: float) -> None:
    assert deviation(kernel_1d("gaussian", sigma, None, 1.0)) == pytest.approx(sigma, rel=2e-3)
    assert deviation(kernel_1d("gaussian", sigma, math.ceil(8 * sigma), 1.0)) == pytest.approx(sigma, rel=1e-6)


@pytest.mark.parametrize("mass", [1.0, 1 / 3, 4.0])
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_product_of_two_kernels_sums_to_the_mass(kernel: str, mass: float) -> None:
    weights = kernel_1d(kernel, 2.0, None, mass)
    assert float(torch.outer(weights, weights).sum()) == pytest.approx(mass, rel=1e-14)
    assert weights.dtype == torch.float64


@pytest.mark.parametrize("sigma", [0.0, 0.4, 3.0])
@pytest.mark.parametrize("kernel", KERNELS)
def test_weights_are_symmetric_never_negative_and_fall_from_the_centre(kernel: str, sigma: float) -> None:
    weights = kernel_1d(kernel, sigma, None, 1.0)
    right = weights[len(weights) // 2 :]
    assert torch.equal(weights, weights.flip(0))
    assert weights.min() >= 0
    assert (right.diff() <= 0).all()


@pytest.mark.parametrize(("sigma", "reach"), [(0.0, 0), (0.2, 1), (1.0, 4), (1.1, 5), (3.0, 12)])
def test_the_radius_is_four_sigma_rounded_up_unless_given(sigma: float, reach: int) -> None:
    assert len(kernel_1d("gaussian", sigma, None, 1.0)) == 2 * reach + 1
    assert len(kernel_1d("gaussian", sigma, 2, 1.0)) == 5


def test_the_gaussian_is_the_formula() -> None:
    raw = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.7**2))
    np.testing.assert_allclose(kernel_1d("gaussian", 1.7, 5, 1.0).numpy(), raw / raw.sum(), rtol=1e-14)


def test_the_box_is_level_but_for_its_edge_pixel() -> None:
    weights = kernel_1d("box", 3.0, None, 1.0)
    right = weights[len(weights) // 2 :]
    level, part = right[right == right[0]], right[(right > 0) & (right < right[0])]
    assert len(level) == 5  # a continuous box of deviation 3 reaches 3 * sqrt(3) = 5.2 pixels
    assert len(part) == 1


def test_the_epanechnikov_kernel_falls_with_the_square_of_the_distance() -> None:
    right = kernel_1d("epanechnikov", 3.0, None, 1.0)[12:]
    inside = right[right > 0]
    fall = (right[0] - inside[1:]) / torch.arange(1, len(inside)) ** 2
    torch.testing.assert_close(fall, fall[0].expand_as(fall), rtol=1e-12, atol=0)


def test_the_triangular_kernel_falls_with_the_distance() -> None:
    right = kernel_1d("triangular", 3.0, None, 1.0)[12:]
    inside = right[right > 0]
    fall = -inside.diff()
    torch.testing.assert_close(fall, fall[0].expand_as(fall), rtol=1e-12, atol=0)


@pytest.mark.parametrize("kernel", KERNELS)
def test_at_sigma_zero_all_the_mass_is_at_the_centre(kernel: str) -> None:
    assert kernel_1d(kernel, 0.0, 2, 1.0).tolist() == [0, 0, 1, 0, 0]


def test_given_weights_are_scaled_to_the_mass_and_ignore_sigma_and_radius() -> None:
    weights = kernel_1d(torch.tensor([1.0, 2.0, 5.0]), math.nan, -3, 4.0)
    assert weights.tolist() == pytest.approx([0.25, 0.5, 1.25])


@pytest.mark.parametrize(
    ("padding", "radius", "size"),
    [
        (padding, radius, size)
        for padding, radius, size in product(PADDINGS, [0, 1, 3, 11, 12, 40], [1, 2, 7, 12])
        if padding != "reflect" or radius < size
    ],
)
def test_the_matrix_pads_and_correlates(padding: str, radius: int, size: int) -> None:
    rng = np.random.default_rng(radius)
    weights, line = rng.random(2 * radius + 1), rng.random(size)
    padded = np.pad(line, radius, mode=NUMPY_MODE[padding])  # type: ignore[call-overload]
    expected = np.correlate(padded, weights, mode="valid")
    matrix = border_matrix(torch.from_numpy(weights), size, padding)
    np.testing.assert_allclose(matrix.numpy() @ line, expected, rtol=1e-12)


@pytest.mark.parametrize(("padding", "radius", "size"), [("reflect", 5, 5), ("reflect", 9, 4)])
def test_a_reflect_radius_that_is_not_below_the_size_is_refused(padding: str, radius: int, size: int) -> None:
    with pytest.raises(ValueError, match=rf"radius is {radius} and the image {size} pixels"):
        border_matrix(torch.ones(2 * radius + 1, dtype=torch.float64), size, padding)


def test_an_unknown_padding_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="padding is 'symmetric'; expected one of zeros, reflect, replicate, circular"):
        border_matrix(torch.ones(3, dtype=torch.float64), 5, "symmetric")


@pytest.mark.parametrize("sigma", [-1.0, math.nan, math.inf])
def test_a_sigma_that_is_negative_or_not_finite_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match=f"sigma is {sigma}; expected a finite number of pixels, 0 or more"):
        kernel_1d("gaussian", sigma, None, 1.0)


@pytest.mark.parametrize("radius", [-1, 2.5, math.nan, math.inf])
def test_a_radius_that_is_negative_or_not_whole_is_refused(radius: float) -> None:
    with pytest.raises(ValueError, match=f"radius is {radius}; expected a whole number of pixels, 0 or more"):
        kernel_1d("gaussian", 1.0, radius, 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("sigma", "radius"), [(1e9, None), (1e308, None), (1.0, 10**12), (1.0, 10**400)])
def test_a_kernel_that_would_take_all_memory_is_refused(sigma: float, radius: int | None, kernel: str) -> None:
    with pytest.raises(ValueError, match=rf"and the kernel's radius .*; expected at most {MAX_RADIUS} pixels"):
        kernel_1d(kernel, sigma, radius, 1.0)


def test_a_wide_gaussian_that_is_cut_needs_no_wide_kernel() -> None:
    torch.testing.assert_close(kernel_1d("gaussian", 1e9, 2, 1.0), torch.full((5,), 0.2, dtype=torch.float64))


def test_a_matrix_of_a_long_side_takes_little_more_memory_than_itself() -> None:
    weights, size = kernel_1d("gaussian", 3.0, None, 1.0), 1500
    with torch.profiler.profile(profile_memory=True) as profile:
        matrix = border_matrix(weights, size, "zeros")
    largest = max(event.cpu_memory_usage for event in profile.events())
    assert largest <= 2 * matrix.nbytes


def test_a_tensor_kernel_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="kernel is a tensor on the meta device, without values; expected weights"):
        kernel_1d(torch.ones(3, device="meta"), 1.0, None, 1.0)


@pytest.mark.parametrize("mass", [0.0, -1.0, math.nan, math.inf])
def test_a_mass_that_is_not_finite_and_above_zero_is_refused(mass: float) -> None:
    with pytest.raises(ValueError, match=f"mass is {mass}; expected a finite number above 0"):
        kernel_1d("gaussian", 1.0, None, mass)


def test_an_unknown_kernel_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="kernel is 'gauss'; expected one of gaussian, box, epanechnikov, triangular"):
        kernel_1d("gauss", 1.0, None, 1.0)


@pytest.mark.parametrize("shape", [(4,), (0,), (3, 3), ()])
def test_a_tensor_kernel_without_one_axis_of_odd_length_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected one axis and an odd length") as caught:
        kernel_1d(torch.ones(shape), 1.0, None, 1.0)
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("weights", [[0.0, 0.0, 0.0], [1.0, -3.0, 1.0], [1.0, math.nan, 1.0], [1.0, math.inf, 1.0]])
def test_a_tensor_kernel_without_a_finite_positive_sum_is_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="not finite or do not sum to more than 0"):
        kernel_1d(torch.tensor(weights), 1.0, None, 1.0)
