"""The ms-ssim objective is 1 - MS-SSIM of the reconstruction, at three scales."""

import kornia.metrics
import pytest
import torch
from torch import nn

from pse_repro.objectives import OBJECTIVES
from pse_repro.objectives.ms_ssim import MSSSIM
from tests.support.few_steps import drawn_batch, fresh
from tests.support.tiny import setup

pytestmark = pytest.mark.usefixtures("tiny_models")


def test_the_loss_is_between_the_similarities_of_its_scales() -> None:
    objective = OBJECTIVES["ms-ssim"].build(setup())
    assert isinstance(objective, MSSSIM)
    network, batch = fresh(objective).eval(), drawn_batch(4, training=False)
    with torch.no_grad():
        reconstruction = network(batch.images)[1]
        found = objective.measures(network, batch)
    scales = [(reconstruction, batch.images)]
    for _ in range(2):
        scales.append(tuple(nn.functional.avg_pool2d(images, 2) for images in scales[-1]))
    of_scales = [float(1 - kornia.metrics.ssim(*scale, 11, padding="valid").mean()) for scale in scales]
    assert min(of_scales) - 0.05 < float(found["loss"]) < max(of_scales) + 0.05
    assert set(found) == {"loss", "mse", "pse"}
