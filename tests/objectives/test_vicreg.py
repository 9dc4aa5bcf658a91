"""VICReg's terms against loops and lightly's; what a collapse and what good embeddings cost."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pse_repro.objectives.vicreg import vicreg
from tests.support.two_views import noise


def slow(first: Tensor, second: Tensor) -> float:
    """Compute equations 1 to 6 number by number in float64, averaged as in the authors' code."""
    count, size = first.shape
    views = [[[float(value) for value in row] for row in view] for view in (first, second)]
    invariance = sum((views[0][n][d] - views[1][n][d]) ** 2 for n in range(count) for d in range(size)) / (count * size)
    variance = covariance = 0.0
    for rows in views:
        means = [sum(row[d] for row in rows) / count for d in range(size)]
        for i in range(size):
            for j in range(size):
                together = sum((row[i] - means[i]) * (row[j] - means[j]) for row in rows) / (count - 1)
                if i == j:
                    variance += max(0.0, 1 - math.sqrt(together + 1e-4)) / size / 2
                else:
                    covariance += together**2 / size
    return 25 * invariance + 25 * variance + covariance


@given(st.integers(2, 6), st.integers(1, 6), st.floats(0.1, 3), st.integers(0, 2**32))
def test_the_loss_is_the_double_loops(images: int, size: int, scale: float, seed: int) -> None:
    views = scale * noise(2 * images, size, seed=seed)
    assert float(vicreg(views)) == pytest.approx(slow(*views.double().chunk(2)), rel=1e-4, abs=1e-5)


def test_the_loss_and_its_gradient_are_lightlys() -> None:
    reference = pytest.importorskip("lightly.loss").VICRegLoss()
    ours, theirs = (noise(16, 24).requires_grad_() for _ in range(2))
    found, expected = vicreg(ours), reference(*theirs.chunk(2))
    torch.testing.assert_close(found, expected)
    found.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_one_embedding_for_all_costs_its_missing_variance() -> None:
    assert float(vicreg(noise(1, 5).expand(12, -1))) == pytest.approx(25 * (1 - 0.01), rel=1e-5)


def test_equal_views_of_unit_variance_without_correlation_cost_nothing() -> None:
    signs = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    assert float(vicreg((2 * signs).repeat(2, 1))) == pytest.approx(0, abs=1e-6)


def test_it_is_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = vicreg(noise(16, 24))
    torch.testing.assert_close(found, vicreg(noise(16, 24)), atol=0, rtol=0)
