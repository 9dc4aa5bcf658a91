"""The l1 objective is the mean modulus of the residual, whatever the switches; it has no sigma."""

import pytest
import torch

from pse_repro.losses import PSELoss
from pse_repro.objectives import OBJECTIVES
from pse_repro.objectives.l1 import L1
from tests.support.few_steps import drawn_batch, fresh
from tests.support.tiny import setup

pytestmark = pytest.mark.usefixtures("tiny_models")


def test_the_loss_is_the_mean_modulus_and_the_curves_have_mse_and_pse() -> None:
    objective = OBJECTIVES["l1"].build(setup())
    assert isinstance(objective, L1)
    network, batch = fresh(objective).eval(), drawn_batch(4, training=False)
    with torch.no_grad():
        residual = network(batch.images)[1] - batch.images
        found = {name: float(value) for name, value in objective.measures(network, batch).items()}
    pse = float(PSELoss.as_released(3)(residual, residual * 0))
    expected = {"loss": float(residual.abs().mean()), "mse": float(residual.square().mean()), "pse": pse}
    assert found == pytest.approx(expected, rel=1e-5)
