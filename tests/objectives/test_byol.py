"""BYOL's loss against loops and lightly's: what is predicted, by whom, and when the target follows."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pse_repro.objectives.byol import BYOL
from pse_repro.seeding import seeded
from tests.support.few_steps import drawn_batch
from tests.support.tiny import setup
from tests.support.two_views import moved_apart, seen

pytestmark = pytest.mark.usefixtures("tiny_models")


@pytest.fixture
def found() -> tuple[float, list[Tensor], list[Tensor]]:
    """Return the loss, and the predictions and targets of the first and the second views."""
    objective, batch = BYOL(setup()), drawn_batch(5, training=False)
    network = moved_apart(objective)
    with seeded("step"), torch.no_grad():
        loss = float(objective.loss(network, batch))
    with torch.no_grad():
        views = seen(objective, batch)
        predicted = [network.predictor(network(view)) for view in views]
        return loss, predicted, [network.target.head(network.target.encoder(view)) for view in views]


def test_each_view_predicts_the_targets_projection_of_the_other(
    found: tuple[float, list[Tensor], list[Tensor]],
) -> None:
    """Equations 1 and 2 by loops in float64."""
    loss, predicted, targets = found
    expected = 0.0
    for which in (0, 1):
        for q, z in zip(predicted[which].double(), targets[1 - which].double(), strict=True):
            expected += float((q / q.norm() - z / z.norm()).square().sum()) / 5
    assert loss == pytest.approx(expected, rel=1e-4)
    assert 0.2 < loss < 7.8


def test_the_loss_is_lightlys(found: tuple[float, list[Tensor], list[Tensor]]) -> None:
    loss, predicted, targets = found
    negative_cosine = pytest.importorskip("lightly.loss").NegativeCosineSimilarity()
    halves = (2 + 2 * negative_cosine(predicted[which], targets[1 - which]) for which in (0, 1))
    assert loss == pytest.approx(float(sum(halves)), rel=1e-4)


def test_the_target_follows_before_it_is_used_in_training_and_stays_in_validation() -> None:
    objective, batch = BYOL(setup()), drawn_batch(5)
    network = moved_apart(objective)
    before = {name: value.clone() for name, value in network.target.state_dict().items()}
    expected = {
        name: 0.99 * value + 0.01 * network.get_parameter(name).detach()
        for name, value in before.items()
        if name in dict(network.target.named_parameters())
    }
    with seeded("step"), torch.no_grad():
        of_training = objective.loss(network, batch)
    for name, value in expected.items():
        torch.testing.assert_close(network.target.get_parameter(name), value, msg=name)
    after = {name: value.clone() for name, value in network.target.state_dict().items()}
    with seeded("step"), torch.no_grad():
        of_validation = objective.measures(network, replace(batch, training=False))["loss"]
    assert all(torch.equal(value, after[name]) for name, value in network.target.state_dict().items())
    torch.testing.assert_close(of_training, of_validation)  # of the target as it was after it followed
