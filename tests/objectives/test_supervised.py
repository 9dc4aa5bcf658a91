"""Supervised: cross-entropy on the labelled images, independent of the unlabelled images."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from pse_repro.models import ENCODERS
from pse_repro.objectives import Batch
from pse_repro.objectives.shared.labelled import classification
from pse_repro.objectives.supervised import Supervised
from tests.support.labelled import setup
from tests.support.tiny import dataset

DATA = dataset()


def batch(count: int = 8, training: bool = True) -> Batch:
    return Batch(torch.rand(count, 3, 96, 96), torch.arange(count), training, 0.0)


class Brightness(nn.Module):
    """Network whose logits distinguish images by their mean colour."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3)) @ torch.linspace(-9, 9, 30).view(3, 10).to(images)


def test_it_has_no_sigma() -> None:
    with pytest.raises(ValueError, match="supervised takes none"):
        Supervised.check(3.0)


def test_the_loss_is_that_of_as_many_labelled_images() -> None:
    objective, network = Supervised(setup(DATA)), Brightness()
    torch.manual_seed(1)
    images, labels = objective.images.draw(6)
    expected = float(nn.functional.cross_entropy(network(images.double()), labels))
    some = batch(6)
    torch.manual_seed(1)
    assert float(objective.loss(network, some)) == pytest.approx(expected, rel=1e-5)


def test_measures_look_at_the_held_out_images_without_augmentation() -> None:
    objective, network = Supervised(setup(DATA)), Brightness()
    expected = classification(*_held_out(objective, network))
    found = objective.measures(network, batch(6, training=False))
    assert {name: float(value) for name, value in found.items()} == {
        name: float(value) for name, value in expected.items()
    }
    assert set(found) == {"loss", "accuracy"}


def _held_out(objective: Supervised, network: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = objective.images.held_out(torch.arange(6))
    return network(images), labels


@pytest.mark.parametrize("encoder", list(ENCODERS))
def test_the_gradient_reaches_every_parameter(encoder: str) -> None:
    torch.manual_seed(0)
    objective = Supervised(replace(setup(DATA), encoder=encoder))
    network = objective.network()
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective.loss(network, batch(2))
    loss.backward()
    assert loss.dtype == torch.float32
    assert network.encoder(torch.rand(1, 3, 96, 96)).shape == (1, ENCODERS[encoder].latent_size)
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_loss_falls() -> None:
    torch.manual_seed(0)
    objective = Supervised(setup(DATA))
    network = objective.network()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    losses = []
    for _ in range(12):
        loss = objective.loss(network, batch(16))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-3:]) < 0.8 * sum(losses[:3])
