"""The blurred-mse objective is PSE without its modulus, under the same switches."""

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from pse_repro.config.protocol import load_protocol
from pse_repro.losses import BlurredMSELoss, PSELoss
from pse_repro.objectives import OBJECTIVES
from pse_repro.objectives.blurred_mse import BlurredMSE
from tests.support.few_steps import drawn_batch, fresh
from tests.support.tiny import setup

pytestmark = pytest.mark.usefixtures("tiny_models")


def test_as_released_it_smooths_the_signed_residual_with_the_released_kernel() -> None:
    objective = OBJECTIVES["blurred-mse"].build(setup(sigma=3.0))
    assert isinstance(objective, BlurredMSE)
    network, batch = fresh(objective).eval(), drawn_batch(4, training=False)
    with torch.no_grad():
        residual = (network(batch.images)[1] - batch.images).contiguous()
        offsets = torch.arange(-3, 4)
        kernel = torch.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 3.0**2))
        kernel /= 3 * kernel.sum()
        smoothed = F.conv2d(residual.flatten(0, 1)[:, None], kernel[None, None], padding=3)
        found = objective.measures(network, batch)
    assert float(found["loss"]) == pytest.approx(float(smoothed.square().mean()), rel=1e-5)
    assert float(found["mse"]) == pytest.approx(float(residual.square().mean()), rel=1e-5)
    assert float(found["pse"]) == pytest.approx(float(PSELoss.as_released(3)(residual, residual * 0)), rel=1e-5)
    assert found["loss"] < found["pse"]


def test_its_kernel_is_that_of_the_protocols_switches() -> None:
    described = dataclasses.replace(setup(sigma=2.5), switches=load_protocol("as-described").switches)
    objective = OBJECTIVES["blurred-mse"].build(described)
    images = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    assert torch.equal(objective.criterion(*images), BlurredMSELoss(2.5)(*images))
    for sigma, message in ((None, "sigma is missing"), (2.5, "kernel_support one-sigma takes whole numbers")):
        with pytest.raises(ValueError, match=message):
            OBJECTIVES["blurred-mse"].build(setup(sigma=sigma))
