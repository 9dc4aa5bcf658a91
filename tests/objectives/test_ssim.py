"""The ssim objective is 1 - SSIM of the reconstruction, as kornia computes it."""

import kornia.metrics
import pytest
import torch

from pse_repro.objectives import OBJECTIVES
from pse_repro.objectives.ssim import SSIM
from tests.support.few_steps import drawn_batch, fresh
from tests.support.tiny import setup

pytestmark = pytest.mark.usefixtures("tiny_models")


def test_the_loss_is_kornias_ssim() -> None:
    objective = OBJECTIVES["ssim"].build(setup())
    assert isinstance(objective, SSIM)
    network, batch = fresh(objective).eval(), drawn_batch(4, training=False)
    with torch.no_grad():
        reconstruction = network(batch.images)[1]
        found = objective.measures(network, batch)
    expected = 1 - kornia.metrics.ssim(reconstruction.double(), batch.images.double(), 11, padding="valid").mean()
    assert float(found["loss"]) == pytest.approx(float(expected), rel=1e-4)
    assert set(found) == {"loss", "mse", "pse"}
