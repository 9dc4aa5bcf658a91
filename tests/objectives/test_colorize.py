"""Colour from lightness: the encoder's input, the source of the weights, gradients and a few steps."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pse_repro.models import ENCODERS
from pse_repro.objectives.colorize import Colorize, colour_shares
from pse_repro.objectives.shared.colour_bins import rebalancing, reduced
from pse_repro.objectives.shared.lab import rgb_to_lab
from tests.support.few_steps import drawn_batch, fresh, losses, named, reached
from tests.support.lab_back import lab_to_rgb
from tests.support.tiny import dataset, setup


@pytest.fixture(scope="module")
def objective() -> Colorize:
    return Colorize(setup("colorize"))


def test_the_encoder_sees_lightness_alone(objective: Colorize) -> None:
    encoder = fresh(objective).eval().encoder
    lab = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 20 + 30
    lab[:, 1:] -= 40  # within [-10, 10]: colours that sRGB has
    recoloured = lab.clone()
    recoloured[:, 1:] = -lab[:, 1:]
    lighter = lab.clone()
    lighter[:, :1] += 5
    first, second, third = (encoder(lab_to_rgb(images)) for images in (lab, recoloured, lighter))
    torch.testing.assert_close(first, second, rtol=0, atol=1e-5)
    assert (first - third).abs().max() > 1e-4
    grey = (lab[:, :1] / 100).expand(-1, 3, -1, -1)
    torch.testing.assert_close(first, encoder.of_grey(grey), rtol=0, atol=1e-5)


def test_the_weights_are_of_the_unlabelled_images(objective: Colorize) -> None:
    images = torch.from_numpy(dataset().unlabeled.stored_NCWH).transpose(2, 3) / 255
    counts = torch.zeros(len(objective.bins))
    for image in images:  # one at a time
        colours_PC = reduced(rgb_to_lab(image[None])[:, 1:])[0].flatten(1).T
        counts += torch.bincount(torch.cdist(colours_PC, objective.bins.centres_QC).argmin(1), minlength=len(counts))
    shares = colour_shares(dataset().unlabeled, objective.bins)
    torch.testing.assert_close(shares, counts / counts.sum(), rtol=0, atol=2 / float(counts.sum()))
    torch.testing.assert_close(objective.weights_Q, rebalancing(shares, objective.bins))


@pytest.mark.parametrize("encoder", ["cnn", "resnet"])
def test_gradients_reach_every_parameter(encoder: str) -> None:
    objective = Colorize(setup("colorize", encoder))
    network, batch = fresh(objective), drawn_batch(2)
    assert network.encoder(batch.images).shape == (2, ENCODERS[encoder].latent_size)
    assert reached(network, objective.loss(network, batch)) == named(network, "")


def test_the_loss_falls_and_is_measured(objective: Colorize) -> None:
    network, batch = fresh(objective), drawn_batch()
    found = losses(objective, network, batch)
    assert found[-1] < 0.9 * found[0]
    with torch.no_grad():
        measures = objective.measures(network, batch)
        torch.testing.assert_close(objective.loss(network, batch), measures["loss"])
    assert set(measures) == {"loss", "accuracy"}
    assert 0 <= float(measures["accuracy"]) <= 100


def test_autocast_loses_little(objective: Colorize) -> None:
    network, batch = fresh(objective), drawn_batch()
    plain = objective.loss(network, batch)
    with torch.autocast("cpu", torch.bfloat16):
        half = objective.loss(network, batch)
    assert half.dtype == torch.float32
    assert float(half.detach()) == pytest.approx(float(plain.detach()), rel=0.02)


def test_images_that_may_not_be_used_do_not_count_for_the_weights() -> None:
    def weights(usable: np.ndarray | None, brightness: int) -> torch.Tensor:
        data = dataset()
        data.unlabeled.stored_NCWH[:6, 0] = brightness
        return Colorize(replace(setup("colorize"), data=data, usable=usable)).weights_Q

    kept = np.arange(6, 60)
    assert torch.equal(weights(kept, 0), weights(kept, 255))
    assert not torch.equal(weights(None, 0), weights(None, 255))
