"""The focal-frequency objective weighs the residual's spectrum by its own size."""

import pytest
import torch

from pse_repro.objectives import OBJECTIVES
from pse_repro.objectives.focal_frequency import FocalFrequency
from tests.support.few_steps import drawn_batch, fresh
from tests.support.tiny import setup

pytestmark = pytest.mark.usefixtures("tiny_models")


def test_the_loss_is_the_spectrum_weighted_by_itself() -> None:
    objective = OBJECTIVES["focal-frequency"].build(setup())
    assert isinstance(objective, FocalFrequency)
    network, batch = fresh(objective).eval(), drawn_batch(4, training=False)
    with torch.no_grad():
        reconstruction = network(batch.images)[1]
        found = objective.measures(network, batch)
        size = torch.fft.fft2((reconstruction - batch.images).double(), norm="ortho").abs()
    weighted = size / size.amax((2, 3), keepdim=True) * size**2
    assert float(found["loss"]) == pytest.approx(float(weighted.mean()), rel=1e-4)
    assert set(found) == {"loss", "mse", "pse"}
