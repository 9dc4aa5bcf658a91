"""The charbonnier objective is the smooth modulus of the residual, whatever the switches."""

import pytest
import torch

from pse_repro.objectives import OBJECTIVES
from pse_repro.objectives.charbonnier import Charbonnier
from tests.support.few_steps import drawn_batch, fresh
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
