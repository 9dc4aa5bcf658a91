"""Rotation against torch.rot90 image by image; the loss, the validation images, gradients and a few steps."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pse_repro import models
from pse_repro.objectives.rotation_ae import RotationAE, RotationAutoencoder, drawn_turns, rotated
from pse_repro.seeding import seeded
from tests.support.few_steps import drawn_batch, fresh, losses, named, reached
from tests.support.tiny import setup


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(1, 5))
def test_images_are_turned_as_one_by_one(turns: list[int], side: int) -> None:
    images = torch.rand(len(turns), 3, side, side, generator=torch.Generator().manual_seed(0))
    found = rotated(images, torch.tensor(turns))
    for image, number, turned in zip(images, turns, found, strict=True):
        assert torch.equal(turned, torch.rot90(image, number, (1, 2)))


def test_the_turns_are_drawn_evenly() -> None:
    with seeded("turns"):
        turns = drawn_turns(torch.empty(4000, 1))
    assert (turns.bincount(minlength=4) / 4000).tolist() == pytest.approx([0.25] * 4, abs=0.03)


def test_input_and_target_are_the_same_rotated_image() -> None:
    objective = RotationAE(setup("rotation-ae"))
    network, batch = fresh(objective).eval(), drawn_batch(4)
    assert isinstance(network, RotationAutoencoder)
    with seeded("draws"):
        found = objective.loss(network, batch)
    with seeded("draws"):
        turns = torch.randint(4, (4,))
    assert len(turns.unique()) > 1
    images = torch.stack([torch.rot90(image, int(n), (1, 2)) for image, n in zip(batch.images, turns, strict=True)])
    latent, reconstruction = network(images)
    report_mse = ((2 * reconstruction.double() - 1) - (2 * images.double() - 1)).square().mean()
    log_probabilities = network.classifier(latent).double().log_softmax(1)
    entropy = -sum(log_probabilities[image, int(number)] for image, number in enumerate(turns)) / 4
    assert float(found.detach()) == pytest.approx(float((report_mse + 10 * entropy).detach()), rel=1e-5)


def test_validation_gives_back_images_as_they_are() -> None:
    objective = RotationAE(setup("rotation-ae"))
    network, batch = fresh(objective).eval(), drawn_batch(4, training=False)
    assert isinstance(network, RotationAutoencoder)
    with seeded("draws"):
        found = objective.measures(network, batch)
    with seeded("draws"):
        turns = torch.randint(4, (4,))
    mse = (network(batch.images)[1] - batch.images).square().mean()
    logits = network.classifier(network.encoder(rotated(batch.images, turns)))
    torch.testing.assert_close(found["mse"], mse)
    torch.testing.assert_close(found["loss"], 4 * mse + 10 * torch.nn.functional.cross_entropy(logits, turns))
    assert float(found["accuracy"]) == 100 * sum((logits.argmax(1) == turns).tolist()) / 4
    assert set(found) == {"loss", "mse", "pse", "accuracy"}


@pytest.mark.parametrize("encoder", models.ENCODERS)
def test_it_is_an_autoencoder_whose_every_parameter_learns_under_autocast(encoder: str) -> None:
    objective = RotationAE(setup("rotation-ae", encoder))
    network, batch = fresh(objective), drawn_batch(2)
    assert isinstance(network, models.Autoencoder)
    latent, reconstruction = network(batch.images)
    assert latent.shape == (2, models.ENCODERS[encoder].latent_size)
    assert reconstruction.shape == batch.images.shape
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective.loss(network, batch)
    assert loss.dtype == torch.float32
    assert reached(network, loss) == named(network, "")


def test_beta_weighs_the_classification() -> None:
    objective = RotationAE(setup("rotation-ae"), beta=0)
    network = fresh(objective)
    assert reached(network, objective.loss(network, drawn_batch(2))) == named(network, "encoder", "decoder")


@pytest.mark.parametrize("encoder", ["cnn", "residual"])
def test_the_loss_falls(encoder: str) -> None:
    objective = RotationAE(setup("rotation-ae", encoder))
    found = losses(objective, fresh(objective), drawn_batch(3))
    assert found[-1] < 0.5 * found[0]
