"""Barlow Twins' loss against loops and lightly's; what it does not depend on."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pse_repro.objectives.barlow_twins import barlow_twins
from tests.support.two_views import noise


def slow(first: Tensor, second: Tensor, weight: float) -> float:
    """Compute equations 1 and 2 number by number in float64; BatchNorm adds 1e-5 to variances."""
    count, size = first.shape

    def column(view: Tensor, place: int) -> list[float]:
        values = [float(row[place]) for row in view]
        mean = sum(values) / count
        deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / count + 1e-5)
        return [(value - mean) / deviation for value in values]

    loss = 0.0
    for i in range(size):
        for j in range(size):
            correlation = sum(a * b for a, b in zip(column(first, i), column(second, j), strict=True)) / count
            loss += (1 - correlation) ** 2 if i == j else weight * correlation**2
    return loss


@given(st.integers(2, 5), st.integers(1, 5), st.sampled_from([5e-3, 1.0]), st.integers(0, 2**32))
def test_the_loss_is_the_double_loops(images: int, size: int, weight: float, seed: int) -> None:
    views = noise(2 * images, size, seed=seed)
    expected = slow(*views.double().chunk(2), weight)
    assert float(barlow_twins(views, weight)) == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_the_loss_and_its_gradient_are_lightlys() -> None:
    reference = pytest.importorskip("lightly.loss").BarlowTwinsLoss()
    ours, theirs = (noise(16, 24).requires_grad_() for _ in range(2))
    found, expected = barlow_twins(ours), reference(*theirs.chunk(2))
    torch.testing.assert_close(found, expected)
    found.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_equal_views_without_correlation_cost_nothing_and_a_collapse_the_whole_diagonal() -> None:
    signs = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    assert float(barlow_twins(signs.repeat(2, 1))) == pytest.approx(0, abs=1e-6)
    assert float(barlow_twins(noise(1, 5).expand(12, -1))) == pytest.approx(5, abs=1e-5)


def test_it_does_not_depend_on_each_values_mean_and_scale() -> None:
    views, scales = noise(16, 4), torch.tensor([0.5, 1, 2, 3])
    torch.testing.assert_close(barlow_twins(scales * views + 7), barlow_twins(views), rtol=1e-3, atol=1e-4)


def test_it_is_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = barlow_twins(noise(16, 24))
    torch.testing.assert_close(found, barlow_twins(noise(16, 24)), atol=0, rtol=0)
