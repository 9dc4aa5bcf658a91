"""SimSiam's loss against loops and lightly's: what is predicted, and what gets a gradient."""

import pytest
import torch
from torch import Tensor, nn

from pse_repro.objectives.simsiam import SimSiam
from pse_repro.seeding import seeded
from tests.support.few_steps import drawn_batch, fresh
from tests.support.tiny import setup
from tests.support.two_views import moved_apart, seen

pytestmark = pytest.mark.usefixtures("tiny_models")


@pytest.fixture
def found() -> tuple[float, list[Tensor], list[Tensor]]:
    """Return the loss, and the predictions and projections of the first and the second views."""
    objective, batch = SimSiam(setup()), drawn_batch(5)
    network = moved_apart(objective)
    with seeded("step"), torch.no_grad():
        loss = float(objective.loss(network, batch))
        projected = [network(view) for view in seen(objective, batch)]
        return loss, [network.predictor(each) for each in projected], projected


def test_each_view_predicts_the_others_projection(found: tuple[float, list[Tensor], list[Tensor]]) -> None:
    """Equations 1 and 2 by loops in float64."""
    loss, predicted, projected = found
    expected = 0.0
    for which in (0, 1):
        for p, z in zip(predicted[which].double(), projected[1 - which].double(), strict=True):
            expected += (1 - float(p @ z / (p.norm() * z.norm()))) / 5 / 2
    assert loss == pytest.approx(expected, rel=1e-4)
    assert 0.05 < loss < 1.95


def test_the_loss_is_lightlys_plus_1(found: tuple[float, list[Tensor], list[Tensor]]) -> None:
    loss, predicted, projected = found
    negative_cosine = pytest.importorskip("lightly.loss").NegativeCosineSimilarity()
    halves = (negative_cosine(predicted[which], projected[1 - which]) / 2 for which in (0, 1))
    assert loss - 1 == pytest.approx(float(sum(halves)), abs=1e-5)


def test_what_is_predicted_gets_no_gradient() -> None:
    """A loss of the same value whose targets are numbers has the same gradient."""
    objective, batch = SimSiam(setup()), drawn_batch(5)
    network = moved_apart(objective)
    with seeded("step"):
        objective.loss(network, batch).backward()
    found = {name: value.grad for name, value in network.named_parameters()}
    network.zero_grad()
    first, second = seen(objective, batch)
    with torch.no_grad():
        targets = nn.functional.normalize(torch.cat([network(second), network(first)]))
    predicted = nn.functional.normalize(network.predictor(network(torch.cat([first, second]))))
    (1 - (predicted * targets).sum(1).mean()).backward()
    for name, value in network.named_parameters():
        torch.testing.assert_close(found[name], value.grad, msg=name, rtol=1e-3, atol=1e-6)


def test_the_projections_values_have_unit_variance_in_training() -> None:
    projected = fresh(SimSiam(setup()))(drawn_batch(8).images)
    torch.testing.assert_close(projected.var(0, correction=0).mean(), torch.ones(()), atol=0.05, rtol=0)
    torch.testing.assert_close(projected.mean(0), torch.zeros(projected.shape[1]), atol=1e-4, rtol=0)
