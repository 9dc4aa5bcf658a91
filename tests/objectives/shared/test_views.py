"""What the objectives of two views share: measures against loops, heads, momentum copies; and each of them trained."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from pse_repro.config.study import Model
from pse_repro.models import EncoderWithHead
from pse_repro.objectives import OBJECTIVES
from pse_repro.objectives.shared.views import (
    MomentumCopy,
    TwoViews,
    accuracy,
    cosine_distance,
    mlp,
    other_view,
    similarities,
    spread,
    swapped,
)
from tests.support.few_steps import drawn_batch, fresh, losses, reached
from tests.support.pretraining import nothing, pretraining
from tests.support.tiny import setup
from tests.support.two_views import noise

NAMES = [name for name, row in OBJECTIVES.items() if issubclass(row.kind, TwoViews)]
FOLLOWERS = {"byol": "target", "moco": "momentum"}  # the modules of these objectives' networks that are not trained
CPU = torch.device("cpu")


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**32))
def test_accuracy_is_how_often_the_other_view_is_nearest(images: int, size: int, seed: int) -> None:
    views, right = noise(2 * images, size, seed=seed), 0
    for i, view in enumerate(views.double()):
        near = [(float(view @ o / (view.norm() * o.norm())), j) for j, o in enumerate(views.double()) if j != i]
        right += max(near)[1] == (i + images) % (2 * images)
    if size > 1:  # else all cosines are 1 or -1, and many are nearest
        assert float(accuracy(views)) == pytest.approx(100 * right / (2 * images))


def test_each_views_other_one_is_half_the_rows_away() -> None:
    assert other_view(6, CPU).tolist() == [3, 4, 5, 0, 1, 2]
    assert torch.equal(swapped(noise(6, 2)), noise(6, 2)[[3, 4, 5, 0, 1, 2]])


def test_similarities_are_float32_under_autocast() -> None:
    views = noise(12, 5)
    with torch.autocast("cpu", torch.bfloat16):
        found = similarities(views)
    torch.testing.assert_close(found, similarities(views), atol=0, rtol=0)


def test_the_spread_is_0_for_one_direction_and_1_for_all() -> None:
    assert float(spread(noise(1, 7) * torch.rand(20, 1))) == pytest.approx(0, abs=1e-4)
    assert float(spread(noise(4000, 64))) == pytest.approx(1, abs=0.02)
    few = noise(5, 3)
    units = [[float(value / row.double().norm()) for value in row.double()] for row in few]
    deviations = []
    for column in zip(*units, strict=True):
        mean = sum(column) / 5
        deviations.append(math.sqrt(sum((value - mean) ** 2 for value in column) / 5))
    assert float(spread(few)) == pytest.approx(math.sqrt(3) * sum(deviations) / 3, rel=1e-5)


def test_cosine_distance_is_a_loops() -> None:
    one, other = noise(2, 6, 5)
    cosines = [float(a @ b / (a.norm() * b.norm())) for a, b in zip(one.double(), other.double(), strict=True)]
    assert float(cosine_distance(one, other)) == pytest.approx(1 - sum(cosines) / 6, rel=1e-5)
    assert float(cosine_distance(one, 3 * one)) == pytest.approx(0, abs=1e-6)


def test_a_head_has_batch_norm_between_its_layers_and_none_after() -> None:
    kinds = [type(layer).__name__ for layer in mlp(4, 8, 8, 2)]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert [tuple(layer.weight.shape) for layer in mlp(4, 8, 2) if isinstance(layer, nn.Linear)] == [(8, 4), (2, 8)]
    assert mlp(4, 8, 2, bias=False)[-1].bias is None  # type: ignore[index]


def test_a_momentum_copy_is_a_moving_average_with_statistics_of_its_own() -> None:
    network = EncoderWithHead(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), nn.Linear(4, 2))
    copy = MomentumCopy(network, 0.9)
    before = {name: value.clone() for name, value in copy.named_parameters()}
    assert all(torch.equal(value, network.get_parameter(name)) for name, value in before.items())
    with torch.no_grad():
        for value in network.parameters():
            value.add_(1)
    network.encoder.train()
    network(noise(8, 3))  # statistics of the network alone
    assert torch.equal(copy.get_buffer("encoder.1.running_mean"), torch.zeros(4))
    copy.follow(network)
    for name, value in copy.named_parameters():
        torch.testing.assert_close(value, 0.9 * before[name] + 0.1 * network.get_parameter(name))
        assert not value.requires_grad
    assert not copy(noise(8, 3)).requires_grad
    assert copy.get_buffer("encoder.1.running_mean").any()
    assert not [name for name, _ in copy.named_buffers() if not name.startswith("encoder.1.")]


def test_each_objective_of_two_views_is_named() -> None:
    assert NAMES == ["simclr", "moco", "byol", "simsiam", "barlow-twins", "vicreg", "lejepa"]


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("name", NAMES)
def test_the_two_views_are_distorted_differently_and_both_are_compared(name: str) -> None:
    objective = OBJECTIVES[name].build(setup())
    network, inputs = fresh(objective), []
    network.encoder.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))  # type: ignore[operator]
    objective.loss(network, drawn_batch())
    (views,) = inputs
    first, second = views.chunk(2)
    assert first.shape == (8, 3, 96, 96)
    assert (first - second).abs().flatten(1).amax(1).min() > 0.01


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("name", NAMES)
def test_the_measures_tell_a_network_that_sees_from_one_that_is_blind(name: str) -> None:
    objective = OBJECTIVES[name].build(setup())
    objective.distort = lambda images: images  # both views are the image itself
    network, batch = fresh(objective).eval(), drawn_batch(training=False)
    with torch.no_grad():
        found = objective.measures(network, batch)
    assert float(found["accuracy"]) == 100
    assert ("spread" in found) == (name not in ("simclr", "moco"))
    with torch.no_grad():
        for layer in network.encoder.modules():  # type: ignore[union-attr]
            if isinstance(layer, nn.Linear):
                layer.weight.zero_()
        blind = objective.measures(network, batch)
    assert float(blind["accuracy"]) < 100
    assert blind["loss"].isfinite()
    assert float(blind.get("spread", torch.zeros(()))) < 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_reaches_every_weight_that_is_trained_and_no_copy(name: str) -> None:
    objective = OBJECTIVES[name].build(setup())
    network = fresh(objective)
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective.loss(network, drawn_batch(4))
    assert loss.dtype == torch.float32
    found = reached(network, loss)
    trained = {key for key, _ in network.named_parameters() if not key.startswith(FOLLOWERS.get(name, "none"))}
    last_bias = f"encoder.{len(network.encoder) - 1}.bias"  # type: ignore[arg-type]
    assert found | {last_bias} == trained  # a BatchNorm that follows it takes the bias away
    assert all(value.grad is None or value.grad.isfinite().all() for value in network.parameters())


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("name", NAMES)
def test_the_loss_of_the_same_views_falls(name: str) -> None:
    objective = OBJECTIVES[name].build(setup())
    objective.distort = lambda images: torch.cat([images[:8], images[8:].flip(3)])
    found = losses(objective, fresh(objective), drawn_batch(8, training=name != "moco"), 8, 3e-3)  # a fixed queue
    assert found[-1] < 0.9 * found[0]


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("name", FOLLOWERS)
def test_copies_follow_once_a_step_and_neither_in_validation_nor_by_the_optimizer(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, steps = pretraining(Model("cnn", name), epochs=2), []
    copy, momentum = training.state.network.get_submodule(FOLLOWERS[name]), 0.99
    expected = {key: value.clone() for key, value in copy.named_parameters()}
    step = training.objective.loss

    def counted(network: nn.Module, batch: object) -> Tensor:
        for key, value in expected.items():
            value.mul_(momentum).add_(network.get_parameter(key).detach(), alpha=1 - momentum)
        steps.append(copy.training)
        return step(network, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(training.objective, "loss", counted)
    training.run(nothing, nothing)
    assert steps == [True] * 2 * (51 // 8)
    for key, value in copy.named_parameters():
        torch.testing.assert_close(value, expected[key], msg=key)
        assert not torch.equal(value, training.state.network.get_parameter(key))
    index = [key for key, _ in training.state.network.named_parameters() if key.startswith(FOLLOWERS[name])]
    assert not any(training.state.network.get_parameter(key) in training.state.optimizer.state for key in index)
