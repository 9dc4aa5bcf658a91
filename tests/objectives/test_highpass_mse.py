"""The highpass-mse objective is the mean square of what the kernel of PSE takes away from the signed residual."""

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from pse_repro.config.protocol import load_protocol
from pse_repro.losses import HighpassMSELoss
from pse_repro.objectives import OBJECTIVES
from pse_repro.objectives.highpass_mse import HighpassMSE
from tests.support.few_steps import drawn_batch, fresh
from tests.support.tiny import setup

pytestmark = pytest.mark.usefixtures("tiny_models")


def test_as_released_it_is_a_third_of_the_residual_minus_the_residual_under_the_released_kernel() -> None:
    objective = OBJECTIVES["highpass-mse"].build(setup(sigma=3.0))
    assert isinstance(objective, HighpassMSE)
    network, batch = fresh(objective).eval(), drawn_batch(4, training=False)
    with torch.no_grad():
        residual = (network(batch.images)[1] - batch.images).flatten(0, 1)[:, None].contiguous()
        offsets = torch.arange(-3, 4)
        kernel = torch.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 3.0**2))
        kernel /= 3 * kernel.sum()
        left = residual / 3 - F.conv2d(residual, kernel[None, None], padding=3)
        found = objective.measures(network, batch)
    assert float(found["loss"]) == pytest.approx(float(left.square().mean()), rel=1e-5)
    assert float(found["mse"]) == pytest.approx(float(residual.square().mean()), rel=1e-5)


def test_its_kernel_is_that_of_the_protocols_switches() -> None:
    described = dataclasses.replace(setup(sigma=2.5), switches=load_protocol("as-described").switches)
    images = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    objective = OBJECTIVES["highpass-mse"].build(described)
    assert torch.equal(objective.criterion(*images), HighpassMSELoss(2.5)(*images))
    with pytest.raises(ValueError, match="sigma is missing"):
        OBJECTIVES["highpass-mse"].build(setup())
