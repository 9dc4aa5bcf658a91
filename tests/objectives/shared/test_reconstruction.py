"""Base of the autoencoders: the loss of the network's reconstruction, and the metrics for the curves."""

import pytest
import torch

from pse_repro import PSELoss
from pse_repro.objectives import OBJECTIVES, Batch
from tests.support.tiny import setup


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize(("name", "sigma", "curve"), [("mse", None, 3), ("pse", 5.0, 5)])
def test_the_loss_and_the_curves_are_of_the_reconstruction(name: str, sigma: float | None, curve: int) -> None:
    objective = OBJECTIVES[name].build(setup(sigma=sigma))
    network = objective.network().eval()
    images = torch.rand(4, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    batch = Batch(images, torch.arange(4), training=False, progress=0.0)
    reconstruction = network(images)[1]
    expected = {
        "mse": (reconstruction - images).square().mean().item(),
        "pse": PSELoss.as_released(curve)(reconstruction, images).item(),
    }
    found = {key: value.item() for key, value in objective.measures(network, batch).items()}
    assert found == pytest.approx(expected | {"loss": expected[name]}, rel=1e-5)
    assert objective.loss(network, batch).item() == pytest.approx(expected[name], rel=1e-5)
