"""LeJEPA's loss against loops, lightly's and the closed form of Epps and Pulley's test; what it asks for."""

import cmath
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from pse_repro.objectives.lejepa import lejepa, sigreg
from tests.support.two_views import noise

# N times the distance of N values drawn from a standard normal variable to it, on average, for all real t: the
# integral of (1 - exp(-t^2)) exp(-t^2 / 2).
OF_NORMAL_VALUES = math.sqrt(2 * math.pi) * (1 - 1 / math.sqrt(3))


def directions(size: int, count: int, seed: int = 0) -> Tensor:
    return normalize(noise(size, count, seed=seed), dim=0)


def slow(views: Tensor, along: Tensor) -> float:
    """Compute the loss number by number, with the characteristic functions at 33 points from -3 to 3."""
    points = [-3 + 6 * number / 32 for number in range(33)]
    statistics = []
    for view in views.chunk(2):
        for direction in along.T:
            values = [float(row @ direction) for row in view]
            integral = 0.0
            for number, t in enumerate(points):
                found = sum(cmath.exp(1j * t * value) for value in values) / len(values)
                share = 0.5 if number in (0, 32) else 1.0
                integral += share * 6 / 32 * abs(found - math.exp(-(t**2) / 2)) ** 2 * math.exp(-(t**2) / 2)
            statistics.append(len(values) * integral)
    first, second = views.chunk(2)
    mean = (first + second) / 2
    prediction = sum(float((view - mean).square().mean()) for view in (first, second)) / 2
    return 0.95 * prediction + 0.05 * sum(statistics) / len(statistics)


def closed_form(values: Tensor) -> float:
    """Return N times the distance integrated over all real t."""
    count = len(values)
    pairs = sum(math.exp(-(float(a - b) ** 2) / 2) for a in values for b in values) / count**2
    alone = sum(math.exp(-(float(a) ** 2) / 4) for a in values) / count
    return count * math.sqrt(2 * math.pi) * (pairs - math.sqrt(2) * alone + 1 / math.sqrt(3))


@given(st.integers(1, 3), st.integers(1, 4), st.floats(0.1, 3), st.integers(0, 2**32))
def test_the_loss_is_the_loops(images: int, size: int, scale: float, seed: int) -> None:
    views, along = scale * noise(2 * images, size, seed=seed), directions(size, 2, seed + 1)
    assert float(lejepa(views, along)) == pytest.approx(slow(views.double(), along.double()), rel=1e-3)


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 2.0])
def test_the_distance_is_epps_and_pulleys(scale: float) -> None:
    values = scale * noise(40) + 0.3
    found = float(sigreg(values[None, :, None], torch.ones(1, 1)))
    assert found == pytest.approx(closed_form(values.double()), rel=0.02)  # beyond 3 the weight is small, not 0


def test_the_loss_and_its_gradient_are_lightlys() -> None:
    reference = pytest.importorskip("lightly.loss").LeJEPALoss(sigreg_num_vectors=256)
    ours, theirs = (noise(16, 24).requires_grad_() for _ in range(2))
    torch.manual_seed(0)
    found = lejepa(ours, normalize(torch.randn(24, 256), dim=0))
    torch.manual_seed(0)
    both = theirs.unflatten(0, (2, 8))
    expected = reference(local_proj=both, global_proj=both)  # it wants local views, too
    torch.testing.assert_close(found, expected)
    found.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_a_normal_distribution_costs_a_constant_and_a_collapse_grows_with_the_images() -> None:
    along = directions(16, 256)
    costs = [float(sigreg(noise(2, images, 16, seed=images), along)) for images in (64, 512)]
    assert costs == pytest.approx([OF_NORMAL_VALUES] * 2, rel=0.15)
    collapsed = [float(sigreg(torch.zeros(2, images, 16), along)) for images in (64, 512)]
    assert collapsed[0] > 20 * costs[0]
    assert collapsed[1] == pytest.approx(8 * collapsed[0])


def test_it_is_float32_under_autocast() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        found = lejepa(noise(16, 24), directions(24, 8))
    torch.testing.assert_close(found, lejepa(noise(16, 24), directions(24, 8)), atol=0, rtol=0)
