"""NT-Xent against a double loop and known values; the objective based on it."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pse_repro.data.batches import Images
from pse_repro.models import ENCODERS
from pse_repro.objectives import Batch
from pse_repro.objectives.simclr import SimCLR, nt_xent, other_view, similarities
from tests.support.few_steps import assert_falls, assert_reaches_all
from tests.support.tiny import dataset, setup

IMAGES = Images(dataset(16, 1, 1).unlabeled, torch.device("cpu"))[torch.arange(16)]


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


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch(count: int = 8, training: bool = True) -> Batch:
    return Batch(IMAGES[:count], torch.arange(count), training, 0.0)


@given(st.integers(1, 6), st.integers(1, 9), st.sampled_from([0.07, 0.5, 2.0]), st.integers(0, 2**32))
def test_the_loss_is_the_double_loops(count: int, size: int, temperature: float, seed: int) -> None:
    first, second = noise(2, count, size, seed=seed)
    found = float(nt_xent(similarities(first, second), temperature))
    assert found == pytest.approx(slow(first, second, temperature), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("count", [1, 2, 50])
def test_all_views_identical_is_the_logarithm_of_the_others(count: int) -> None:
    views = noise(1, 7).expand(count, -1)
    assert float(nt_xent(similarities(views, views), 0.5)) == pytest.approx(math.log(2 * count - 1), abs=1e-5)


def test_identical_views_of_orthogonal_images() -> None:
    views = torch.eye(6)
    expected = math.log(math.exp(1 / 0.5) + 10) - 1 / 0.5
    assert float(nt_xent(similarities(views, views), 0.5)) == pytest.approx(expected, rel=1e-6)


def test_it_is_symmetric_and_blind_to_length() -> None:
    first, second = noise(2, 6, 5)
    lengths = torch.rand(6, 1, generator=torch.Generator().manual_seed(1)) + 0.5
    expected = float(nt_xent(similarities(first, second), 0.5))
    assert float(nt_xent(similarities(second, first), 0.5)) == pytest.approx(expected, rel=1e-6)
    assert float(nt_xent(similarities(first * lengths, 3 * second), 0.5)) == pytest.approx(expected, rel=1e-5)


def test_each_views_other_one_is_half_the_rows_away() -> None:
    assert other_view(torch.zeros(6, 6)).tolist() == [3, 4, 5, 0, 1, 2]


def test_similarities_are_float32_under_autocast() -> None:
    first, second = noise(2, 6, 5)
    with torch.autocast("cpu", torch.bfloat16):
        found = similarities(first, second)
    torch.testing.assert_close(found, similarities(first, second), atol=0, rtol=0)


class FixedOutput(torch.nn.Module):
    """Encoder with the same output for every input."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output

    def forward(self, _: Tensor) -> Tensor:
        return self.output


@pytest.mark.usefixtures("tiny_models")
def test_accuracy_is_how_often_the_other_view_is_nearest() -> None:
    objective = SimCLR(setup())
    objective.distort = lambda images: images  # type: ignore[method-assign]
    torch.manual_seed(0)
    network = objective.network().eval()
    found = objective.measures(network, batch(training=False))
    assert float(found["accuracy"]) == 100
    network.head = torch.nn.Flatten()
    network.encoder = torch.nn.Sequential(torch.nn.Flatten(), FixedOutput(noise(16, 5)))
    found = objective.measures(network, batch(training=False))
    views = torch.nn.functional.normalize(noise(16, 5)).double()
    right = 0
    for i, view in enumerate(views):
        others = [(float(view @ other), j) for j, other in enumerate(views) if j != i]
        right += max(others)[1] == (i + 8) % 16
    assert float(found["accuracy"]) == pytest.approx(100 * right / 16)


@pytest.mark.usefixtures("tiny_models")
def test_the_two_views_are_distorted_differently() -> None:
    seen: list[Tensor] = []
    objective = SimCLR(setup())
    torch.manual_seed(0)
    network = objective.network()
    network.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    objective.loss(network, batch())
    first, second = seen[0].chunk(2)
    assert first.shape == (8, 3, 96, 96)
    assert (first - second).abs().flatten(1).amax(1).min() > 0.01


@pytest.mark.parametrize("encoder", list(ENCODERS))
def test_the_gradient_reaches_every_parameter(encoder: str) -> None:
    torch.manual_seed(0)
    objective = SimCLR(setup(encoder=encoder))
    network = objective.network()
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective.loss(network, batch(2))
    assert_reaches_all(network, loss)


@pytest.mark.usefixtures("tiny_models")
def test_the_loss_falls() -> None:
    torch.manual_seed(0)
    objective = SimCLR(setup())
    network = objective.network()
    assert_falls(objective, network, batch, 40)
