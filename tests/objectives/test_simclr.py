"""NT-Xent against a double loop, lightly's, and known values; what all objectives of two views do is tested there."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pse_repro.models import ENCODERS
from pse_repro.objectives.simclr import SimCLR, nt_xent
from tests.support.few_steps import assert_falls, assert_reaches_all, drawn_batch
from tests.support.tiny import setup
from tests.support.two_views import noise


def slow(first: Tensor, second: Tensor, temperature: float) -> float:
    """Compute algorithm 1 by loops in float64, with the views of an image adjacent."""
    views = [view.double() for pair in zip(first, second, strict=True) for view in pair]

    def similarity(i: int, j: int) -> float:
        return float(views[i] @ views[j] / (views[i].norm() * views[j].norm()))

    def term(i: int, j: int) -> float:
        others = sum(math.exp(similarity(i, k) / temperature) for k in range(len(views)) if k != i)
        return -math.log(math.exp(similarity(i, j) / temperature) / others)

    pairs = range(len(first))
    return sum(term(2 * k, 2 * k + 1) + term(2 * k + 1, 2 * k) for k in pairs) / len(views)


@given(st.integers(1, 6), st.integers(1, 9), st.sampled_from([0.07, 0.5, 2.0]), st.integers(0, 2**32))
def test_the_loss_is_the_double_loops(count: int, size: int, temperature: float, seed: int) -> None:
    views = noise(2 * count, size, seed=seed)
    found = float(nt_xent(views, temperature))
    assert found == pytest.approx(slow(*views.chunk(2), temperature), rel=1e-4, abs=1e-5)


def test_the_loss_is_lightlys() -> None:
    reference = pytest.importorskip("lightly.loss").NTXentLoss(temperature=0.5)
    torch.testing.assert_close(nt_xent(noise(16, 5), 0.5), reference(*noise(16, 5).chunk(2)))


@pytest.mark.parametrize("count", [1, 2, 50])
def test_all_views_identical_is_the_logarithm_of_the_others(count: int) -> None:
    assert float(nt_xent(noise(1, 7).expand(2 * count, -1), 0.5)) == pytest.approx(math.log(2 * count - 1), abs=1e-5)


def test_identical_views_of_orthogonal_images() -> None:
    expected = math.log(math.exp(1 / 0.5) + 10) - 1 / 0.5
    assert float(nt_xent(torch.eye(6).repeat(2, 1), 0.5)) == pytest.approx(expected, rel=1e-6)


def test_it_is_symmetric_and_blind_to_length() -> None:
    first, second = noise(12, 5).chunk(2)
    lengths = torch.rand(6, 1, generator=torch.Generator().manual_seed(1)) + 0.5
    expected = float(nt_xent(torch.cat([first, second]), 0.5))
    assert float(nt_xent(torch.cat([second, first]), 0.5)) == pytest.approx(expected, rel=1e-6)
    assert float(nt_xent(torch.cat([first * lengths, 3 * second]), 0.5)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("encoder", list(ENCODERS))
def test_the_gradient_reaches_every_parameter(encoder: str) -> None:
    torch.manual_seed(0)
    objective = SimCLR(setup(encoder=encoder))
    network = objective.network()
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective.loss(network, drawn_batch(2))
    assert_reaches_all(network, loss)


@pytest.mark.usefixtures("tiny_models")
def test_the_loss_falls() -> None:
    torch.manual_seed(0)
    objective = SimCLR(setup())
    network = objective.network()
    assert_falls(objective, network, drawn_batch, 40)
