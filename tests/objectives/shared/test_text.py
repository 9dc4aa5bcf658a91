"""The losses of images and texts against double loops; the towers and the limit of their temperature."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pse_repro.objectives.shared.text import MAX_SCALE, TwoTowers, sigmoid_loss, softmax_loss

LOSSES = [softmax_loss, sigmoid_loss]
cases = st.tuples(st.integers(1, 7), st.integers(1, 4), st.integers(0, 2**32), st.sampled_from([0.1, 1.0, 30.0]))


def drawn(case: tuple[int, int, int, float]) -> tuple[Tensor, Tensor]:
    """Return logits (N, N), and which pairs are positive because their texts are equal."""
    count, texts, seed, scale = case
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randint(texts, (count,), generator=generator)
    return scale * torch.randn(count, count, generator=generator), numbers[:, None] == numbers


def slow_softmax(logits: Tensor, positive: Tensor) -> float:
    """Compute UniCL's loss by loops in float64, as a mean over images and over texts."""
    total, count = 0.0, len(logits)
    for table in (logits.double(), logits.double().T):
        for i in range(count):
            others = math.log(sum(math.exp(float(table[i, k])) for k in range(count)))
            own = [float(table[i, j]) - others for j in range(count) if positive[i, j]]
            total -= sum(own) / len(own) / count
    return total / 2


def slow_sigmoid(logits: Tensor, positive: Tensor) -> float:
    """Compute SigLIP's loss by loops in float64."""
    pairs = [(float(logits[i, j]), 1 if positive[i, j] else -1) for i in range(len(logits)) for j in range(len(logits))]
    return sum(math.log1p(math.exp(-sign * logit)) for logit, sign in pairs) / len(logits)


@given(cases)
def test_the_losses_are_the_double_loops(case: tuple[int, int, int, float]) -> None:
    logits, positive = drawn(case)
    assert float(softmax_loss(logits, positive)) == pytest.approx(slow_softmax(logits, positive), rel=1e-4, abs=1e-5)
    assert float(sigmoid_loss(logits, positive)) == pytest.approx(slow_sigmoid(logits, positive), rel=1e-4, abs=1e-5)


@given(cases)
@pytest.mark.parametrize("loss", LOSSES)
def test_images_and_texts_are_alike(loss: type, case: tuple[int, int, int, float]) -> None:
    logits, positive = drawn(case)
    assert float(loss(logits.T, positive)) == pytest.approx(float(loss(logits, positive)), rel=1e-5, abs=1e-6)


def test_without_equal_texts_it_is_the_plain_cross_entropy() -> None:
    logits, _ = drawn((6, 1, 3, 1.0))
    own = torch.arange(6)
    both = (torch.nn.functional.cross_entropy(table, own) for table in (logits, logits.T))
    assert float(softmax_loss(logits, torch.eye(6) == 1)) == pytest.approx(float(sum(both)) / 2, rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_an_equal_text_is_no_negative(loss: type) -> None:
    """Two images of one caption are as close to the other's copy of it; left is at most which copy is whose."""
    positive = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]) == 1
    logits = torch.where(positive, 50.0, -50.0)
    left = math.log(2) * 2 / 3 if loss is softmax_loss else 0.0
    assert float(loss(logits, positive)) == pytest.approx(left, abs=1e-6)


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("sigmoid", [False, True])
def test_logits_are_scaled_cosines_in_float32_under_autocast(sigmoid: bool) -> None:
    network = TwoTowers("cnn", 5, sigmoid)
    images, texts = torch.randn(2, 3, 128)
    with torch.autocast("cpu", torch.bfloat16):
        found = network.logits(images, 7 * texts)
    scale, bias = (10, -10) if sigmoid else (1 / 0.07, 0)
    expected = [[scale * float(torch.cosine_similarity(i, t, 0)) + bias for t in texts] for i in images]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=1e-4)


@pytest.mark.usefixtures("tiny_models")
def test_the_scale_is_learned_within_its_limit() -> None:
    network = TwoTowers("cnn", 5)
    images = torch.eye(3, 128)
    network.log_scale.data.fill_(math.log(MAX_SCALE) + 1)
    logits = network.logits(images, images)
    assert float(logits.detach().max()) == pytest.approx(MAX_SCALE)
    assert float(network.log_scale.detach()) == pytest.approx(math.log(MAX_SCALE))
    network.log_scale.data.fill_(0)
    logits = network.logits(images, images)
    assert float(logits.detach().max()) == pytest.approx(1)
    softmax_loss(logits, torch.eye(3) == 1).backward()
    assert network.log_scale.grad is not None
    assert float(network.log_scale.grad) < 0  # a larger scale would be better
