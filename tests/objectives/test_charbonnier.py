"""The charbonnier objective is the smooth modulus of the residual, whatever the switches."""

import pytest
import torch

from pse_repro.objectives import OBJECTIVES
from pse_repro.objectives.charbonnier import Charbonnier
from tests.support.few_steps import assert_reaches_all, drawn_batch, fresh, losses
from tests.support.tiny import setup

pytestmark = pytest.mark.usefixtures("tiny_models")


def test_the_loss_is_the_smooth_modulus() -> None:
    objective = OBJECTIVES["charbonnier"].build(setup())
    assert isinstance(objective, Charbonnier)
    network, batch = fresh(objective).eval(), drawn_batch(4, training=False)
    with torch.no_grad():
        reconstruction = network(batch.images)[1]
        found = objective.measures(network, batch)
        residual = reconstruction - batch.images
    assert float(found["loss"]) == pytest.approx(float((residual**2 + 1e-6).sqrt().mean()), rel=1e-5)
    assert set(found) == {"loss", "mse", "pse"}


def test_the_whole_network_learns() -> None:
    objective, batch = OBJECTIVES["charbonnier"].build(setup()), drawn_batch()
    network = fresh(objective)
    with torch.autocast("cpu", torch.bfloat16):
        assert_reaches_all(network, objective.loss(network, batch))
    found = losses(objective, network, batch, rate=1e-2)
    assert found[-1] < 0.9 * found[0]


def test_it_has_no_sigma() -> None:
    with pytest.raises(ValueError, match="takes none; leave it out"):
        OBJECTIVES["charbonnier"].build(setup(sigma=3.0))
