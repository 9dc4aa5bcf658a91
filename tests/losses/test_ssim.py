"""SSIM against kornia and scikit-image, MS-SSIM against loops over windows in NumPy; gradients and refusals."""

import kornia.metrics
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity
from torch import Tensor

from pse_repro.losses import MSSSIMLoss, SSIMLoss, ms_ssim_loss, ssim_loss
from pse_repro.losses.ssim import WEIGHTS
from tests.support.dense_loss import REDUCE, images

BOTH = [SSIMLoss, MSSSIMLoss]


def pair(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return noise and a noisy, darker copy of it, in [0, 1]."""
    first = images(*shape, seed=seed)
    return first, 0.6 * first + 0.3 * images(*shape, seed=seed + 1)


@pytest.mark.parametrize("reduction", REDUCE)
def test_ssim_is_kornias(reduction: str) -> None:
    input, target = pair(2, 3, 24, 17)
    found = ssim_loss(input, target, reduction=reduction)
    expected = 1 - kornia.metrics.ssim(input, target, 11, padding="valid")
    torch.testing.assert_close(found, REDUCE[reduction](expected), rtol=1e-9, atol=1e-12)


def test_ssim_of_images_in_levels_is_scikit_images() -> None:
    input, target = (255 * images for images in pair(3, 20, 20))
    whole = structural_similarity(
        input.numpy(), target.numpy(), channel_axis=0, data_range=255, gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, full=True,
    )[1]  # fmt: skip
    found = ssim_loss(input, target, data_range=255, reduction="none")
    np.testing.assert_allclose(found.numpy(), 1 - whole[:, 5:-5, 5:-5], rtol=1e-9, atol=1e-12)


def windows_of(image: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Return the mean of SSIM and of cs over all windows of 11 x 11 pixels of one channel, one after another."""
    line = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights = np.outer(line, line) / line.sum() ** 2
    similarities, contrasts = [], []
    for row in range(image.shape[0] - 10):
        for column in range(image.shape[1] - 10):
            x, y = (channel[row : row + 11, column : column + 11] for channel in (image, other))
            mx, my = (weights * x).sum(), (weights * y).sum()
            vx, vy, vxy = ((weights * a * b).sum() for a, b in ((x - mx, x - mx), (y - my, y - my), (x - mx, y - my)))
            contrasts.append((2 * vxy + 0.03**2) / (vx + vy + 0.03**2))
            similarities.append((2 * mx * my + 0.01**2) / (mx**2 + my**2 + 0.01**2) * contrasts[-1])
    return float(np.mean(similarities)), float(np.mean(contrasts))


def test_ms_ssim_is_the_product_over_three_scales() -> None:
    input, target = pair(2, 1, 48, 45)
    weights = np.array(WEIGHTS[:3]) / sum(WEIGHTS[:3])
    expected = []
    for x, y in zip(input[:, 0].numpy(), target[:, 0].numpy(), strict=True):
        scales = [(x, y)]
        for _ in range(2):  # means of 2 x 2 pixels; an odd last row or column is left out
            scales.append(
                tuple(
                    image[: len(image) // 2 * 2, : image.shape[1] // 2 * 2]
                    .reshape(len(image) // 2, 2, -1, 2)
                    .mean((1, 3))
                    for image in scales[-1]
                )
            )
        fine, middle, coarse = (windows_of(*scale) for scale in scales)
        expected.append(1 - fine[1] ** weights[0] * middle[1] ** weights[1] * coarse[0] ** weights[2])
    np.testing.assert_allclose(ms_ssim_loss(input, target, reduction="none")[:, 0].numpy(), expected, rtol=1e-9)
    assert float(ms_ssim_loss(input, target)) == pytest.approx(np.mean(expected), rel=1e-9)
    assert float(ms_ssim_loss(input[0], target[0], reduction="sum")) == pytest.approx(expected[0], rel=1e-9)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 3), st.sampled_from(BOTH))
def test_it_is_zero_for_equal_images_symmetric_and_at_most_two(seed: int, kind: type[SSIMLoss]) -> None:
    input, target = pair(1, 1, 44, 44, seed=seed)
    assert float(kind()(input, input)) == pytest.approx(0, abs=1e-12)
    assert float(kind()(input, target)) == pytest.approx(float(kind()(target, input)), rel=1e-9)
    assert 0 < float(kind()(input, target)) < 2


@pytest.mark.parametrize(("kind", "radius", "side"), [(SSIMLoss, 2, 6), (MSSSIMLoss, 1, 12)])
def test_the_gradient_is_that_of_finite_differences(kind: type[SSIMLoss], radius: int, side: int) -> None:
    input, target = pair(1, 1, side, side)
    for reduction in REDUCE:
        loss = kind(radius=radius, reduction=reduction)
        assert torch.autograd.gradcheck(lambda image, loss=loss: loss(image, target), input.requires_grad_())


@pytest.mark.parametrize("kind", BOTH)
def test_images_of_opposite_contrast_have_a_finite_gradient(kind: type[SSIMLoss]) -> None:
    input = images(1, 3, 96, 96, dtype=torch.float32).requires_grad_()
    loss = kind()(input, 1 - input.detach())
    (gradient,) = torch.autograd.grad(loss, input)
    assert loss.item() > 0.9
    assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", BOTH)
def test_half_precisions_and_autocast_are_computed_in_float32(kind: type[SSIMLoss], dtype: torch.dtype) -> None:
    input, target = (image.to(dtype) for image in pair(2, 3, 44, 44))
    with torch.autocast("cpu", torch.bfloat16):
        loss = kind()(input, target)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(kind()(input.double(), target.double())), rel=1e-4)


@pytest.mark.parametrize(("kind", "least"), [(SSIMLoss, 11), (MSSSIMLoss, 44)])
def test_images_smaller_than_the_window_are_refused(kind: type[SSIMLoss], least: int) -> None:
    assert kind()(*pair(1, 1, least, least)).ndim == 0
    with pytest.raises(ValueError, match=f"expected sides of {least} pixels or more for the window"):
        kind()(*pair(1, 1, least, least - 1))
    with pytest.raises(ValueError, match="data_range is 0; expected a number above 0"):
        kind(data_range=0)
