"""Base of the autoencoders: the loss of the network's reconstruction, and the metrics for the curves."""

import pytest
import torch

from pse_repro import PSELoss
from pse_repro.objectives import OBJECTIVES, Batch
from tests.support.few_steps import assert_reaches_all, drawn_batch, fresh, losses
from tests.support.tiny import setup, sigma_of


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


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize(
    ("name", "falls_to"),
    [
        ("blurred-mse", 0.8),
        ("highpass-mse", 1.0),
        ("l1", 0.9),
        ("charbonnier", 0.9),
        ("ssim", 0.9),
        ("ms-ssim", 0.9),
        ("focal-frequency", 0.9),
    ],
)
def test_the_whole_network_learns(name: str, falls_to: float) -> None:
    objective, batch = OBJECTIVES[name].build(setup(sigma=sigma_of(name))), drawn_batch()
    network = fresh(objective)
    with torch.autocast("cpu", torch.bfloat16):
        assert_reaches_all(network, objective.loss(network, batch))
    found = losses(objective, network, batch, rate=1e-2)
    assert found[-1] < falls_to * found[0]


@pytest.mark.parametrize("name", ["l1", "charbonnier", "ssim", "ms-ssim", "focal-frequency"])
def test_a_loss_without_a_kernel_has_no_sigma(name: str) -> None:
    with pytest.raises(ValueError, match=r"sigma is 3, but .* takes none; leave it out"):
        OBJECTIVES[name].build(setup(sigma=3.0))
