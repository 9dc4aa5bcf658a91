"""Two half-encoders: their inputs, their joint latent, gradients and a few steps."""

import pytest
import torch

from pse_repro.models import ENCODERS
from pse_repro.objectives.shared.colour_bins import reduced, soft_cross_entropy
from pse_repro.objectives.shared.lab import rgb_to_lab
from pse_repro.objectives.split_brain import SplitBrain, SplitBrainEncoder, half_encoder
from tests.support.few_steps import drawn_batch, fresh, losses, named, reached
from tests.support.tiny import setup


@pytest.fixture(scope="module")
def objective() -> SplitBrain:
    return SplitBrain(setup("split-brain"))


@pytest.mark.parametrize("encoder", ["cnn", "resnet"])
def test_neither_half_sees_the_others_channels(encoder: str) -> None:
    network = SplitBrainEncoder(encoder).eval()
    lab = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0)).mul_(50).requires_grad_()
    latent = network.of_lab(lab)
    assert latent.shape == (1, ENCODERS[encoder].latent_size)
    half = ENCODERS[encoder].latent_size // 2
    for part, own in ((latent[:, :half], [True, False, False]), (latent[:, half:], [False, True, True])):
        (gradient,) = torch.autograd.grad(part.square().sum(), lab, retain_graph=True)
        assert gradient[0].flatten(1).any(1).tolist() == own


def test_images_are_judged_by_both_halves(objective: SplitBrain) -> None:
    encoder = fresh(objective).eval().encoder
    images = drawn_batch(2).images
    grey = images.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    first, second = encoder(images), encoder(grey)
    lightness, colour = (first - second).abs().chunk(2, 1)
    assert lightness.max() > 1e-4
    assert colour.max() > 1e-4


def test_a_half_has_the_study_encoders_other_layers() -> None:
    half = half_encoder("resnet", 2, 512)
    assert half.conv1.weight.shape == (64, 2, 3, 3)
    assert (half.conv1.stride, half.conv1.padding, half.conv1.bias) == ((1, 1), (1, 1), None)
    assert half.fc.weight.shape == (512, 512 * 9)
    small = half_encoder("cnn", 1, 128)
    assert (small[0].weight.shape, small[0].stride, small[0].bias is None) == ((32, 1, 3, 3), (2, 2), False)
    assert small(torch.zeros(2, 1, 96, 96)).shape == (2, 128)


def test_each_direction_trains_its_own_half(objective: SplitBrain) -> None:
    network, images = fresh(objective), drawn_batch(4).images
    for index, names in ((0, ("encoder.of_lightness", "to_colour")), (1, ("encoder.of_colour", "to_lightness"))):
        assert reached(network, network(images)[index].square().sum()) == named(network, *names)


def test_the_loss_is_the_sum_of_both_directions(objective: SplitBrain) -> None:
    network, batch = fresh(objective).eval(), drawn_batch(4)
    lab = rgb_to_lab(batch.images)
    colour_logits, lightness_logits = network(lab)
    colour = soft_cross_entropy(colour_logits, objective.colour_bins.soft_targets(reduced(lab[:, 1:])))
    lightness = soft_cross_entropy(lightness_logits, objective.lightness_bins.soft_targets(reduced(lab[:, :1])))
    measures = objective.measures(network, batch)
    torch.testing.assert_close(measures["loss"], colour + lightness)
    assert set(measures) == {"loss", "accuracy", "lightness_accuracy"}


@pytest.mark.parametrize("encoder", ["cnn", "resnet"])
def test_gradients_reach_every_parameter_under_autocast(encoder: str) -> None:
    objective = SplitBrain(setup("split-brain", encoder))
    network = fresh(objective)
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective.loss(network, drawn_batch(2))
    assert loss.dtype == torch.float32
    assert reached(network, loss) == named(network, "")


def test_the_loss_falls(objective: SplitBrain) -> None:
    found = losses(objective, fresh(objective), drawn_batch())
    assert found[-1] < 0.9 * found[0]
