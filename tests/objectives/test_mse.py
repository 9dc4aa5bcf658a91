"""The MSE objective is the plain mean, in float32, whatever the switches."""

import pytest
import torch

from pse_repro.objectives import OBJECTIVES
from pse_repro.objectives.mse import MSE
from pse_repro.objectives.shared.reconstruction import squared_error
from tests.support.tiny import setup


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_is_the_mean_square_in_float32(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    reconstruction, images = (torch.rand(2, 3, 12, 12, generator=generator).to(dtype) for _ in range(2))
    loss = MSE(setup()).criterion(reconstruction, images)
    assert MSE(setup()).criterion is squared_error
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float((reconstruction.double() - images.double()).square().mean()), rel=1e-6)


def test_it_has_no_sigma() -> None:
    MSE.check(None)
    with pytest.raises(ValueError, match="sigma is 3, but mse takes none; leave it out"):
        OBJECTIVES["mse"].build(setup(sigma=3.0))
