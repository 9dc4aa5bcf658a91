"""Blocks, holes and errors against loops; the gradients of each term; a few steps of both kinds."""

import math

import pytest
import torch
from torch import Tensor

from pse_repro.objectives.inpaint import (
    BLOCK,
    FILL,
    OVERLAP,
    AdversarialInpaint,
    AdversarialInpaintNetwork,
    Inpaint,
    adversarial_loss,
    block_corners,
    cut_blocks,
    overlap_weights,
    with_holes,
)
from pse_repro.objectives.shared.frozen import frozen_call
from pse_repro.seeding import seeded
from tests.support.few_steps import drawn_batch, fresh, losses, named, reached
from tests.support.tiny import setup

CORNERS = torch.tensor([[24, 24], [0, 48], [48, 0], [7, 31]])
KINDS = [Inpaint, AdversarialInpaint]


def noise(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def is_seen(row: int, column: int, corner: list[int]) -> bool:
    """Return whether the encoder sees the pixel of an image whose block begins at `corner`."""
    return not all(start + 3 <= place < start + 45 for place, start in zip((row, column), corner, strict=True))


def test_holes_and_blocks_are_the_loops() -> None:
    images = noise(4, 3, 96, 96).contiguous(memory_format=torch.channels_last)
    before = images.clone()
    holed, blocks = with_holes(images, CORNERS), cut_blocks(images, CORNERS)
    assert torch.equal(images, before)
    for image, corner in enumerate(CORNERS.tolist()):
        row, column = corner
        assert torch.equal(blocks[image], images[image, :, row : row + 48, column : column + 48])
        expected = images[image].clone()
        for row, column in torch.cartesian_prod(torch.arange(96), torch.arange(96)).tolist():
            if not is_seen(row, column, corner):
                expected[:, row, column] = FILL
        assert torch.equal(holed[image], expected)


def test_the_block_is_a_quarter_of_the_image_and_random_ones_are_anywhere_within() -> None:
    assert BLOCK**2 / 96**2 == 1 / 4
    assert block_corners("central", 3).tolist() == [[24, 24]] * 3
    with seeded("corners"):
        corners = block_corners("random", 2000)
    assert corners.amin(0).tolist() == [0, 0]
    assert corners.amax(0).tolist() == [96 - BLOCK] * 2
    assert corners.float().mean(0).tolist() == pytest.approx([24, 24], abs=1)


def test_the_border_weighs_ten_times() -> None:
    weights = overlap_weights()
    for row, column in torch.cartesian_prod(torch.arange(48), torch.arange(48)).tolist():
        assert weights[row, column] == (10 if is_seen(24 + row, 24 + column, [24, 24]) else 1)
    assert (weights == 1).sum() == (48 - 2 * OVERLAP) ** 2


@pytest.mark.parametrize("region", ["central", "random"])
def test_the_loss_is_the_loops(region: str) -> None:
    objective = Inpaint(setup("inpaint"), region)  # type: ignore[arg-type]
    network, batch = fresh(objective).eval(), drawn_batch(2)
    with seeded("draws"):
        found = objective.loss(network, batch).detach()
    with seeded("draws"):
        corners = block_corners(region, 2)  # type: ignore[arg-type]
    generated = network(with_holes(batch.images, corners)).detach().double()
    total = 0.0
    for image, (top, left) in enumerate(corners.tolist()):
        for row, column in torch.cartesian_prod(torch.arange(48), torch.arange(48)).tolist():
            difference = generated[image, :, row, column] - batch.images[image, :, top + row, left + column].double()
            weight = 10 if is_seen(top + row, left + column, [top, left]) else 1
            total += weight * float(difference.square().sum())
    assert float(found) == pytest.approx(total / (2 * 3 * 48 * 48), rel=1e-5)


def test_what_the_hole_hides_does_not_reach_the_network() -> None:
    objective = Inpaint(setup("inpaint"))
    network, images = fresh(objective).eval(), drawn_batch(2).images
    changed = images.clone()
    changed[:, :, 24 + OVERLAP : 72 - OVERLAP, 24 + OVERLAP : 72 - OVERLAP] = 0.9
    corners = block_corners("central", 2)
    assert torch.equal(network(with_holes(images, corners)), network(with_holes(changed, corners)))


def test_each_player_learns_from_its_own_term() -> None:
    objective = AdversarialInpaint(setup("inpaint-adversarial"))
    network, batch = fresh(objective), drawn_batch(4)
    assert isinstance(network, AdversarialInpaintNetwork)
    generators, discriminators = named(network, "encoder", "decoder"), named(network, "discriminator")
    terms = objective.measures(network, batch)
    assert reached(network, terms["generator"]) == generators
    assert reached(network, objective.measures(network, batch)["discriminator"]) == discriminators
    assert reached(network, objective.measures(network, batch)["error"]) == generators
    assert reached(network, objective.loss(network, batch)) == generators | discriminators


def test_the_generators_gradient_is_the_one_that_a_frozen_discriminator_gives() -> None:
    network = fresh(AdversarialInpaint(setup("inpaint-adversarial"))).eval()
    assert isinstance(network, AdversarialInpaintNetwork)
    blocks = noise(2, 3, 48, 48).requires_grad_()
    (held,) = torch.autograd.grad(adversarial_loss(frozen_call(network.discriminator, blocks), True), blocks)
    network.discriminator.requires_grad_(False)
    (expected,) = torch.autograd.grad(adversarial_loss(network.discriminator(blocks), True), blocks)
    assert held.any()
    torch.testing.assert_close(held, expected)


def test_the_weights_and_terms_are_those_of_the_paper() -> None:
    objective = AdversarialInpaint(setup("inpaint-adversarial"))
    network, batch = fresh(objective).eval(), drawn_batch(4)
    assert isinstance(network, AdversarialInpaintNetwork)
    found = {name: value.detach() for name, value in objective.measures(network, batch).items()}
    generated, blocks = objective._blocks(network, batch)
    true, false = (network.discriminator(images).detach().sigmoid() for images in (blocks, generated))
    generator = -sum(math.log(float(p)) for p in false) / 4
    discriminator = -sum(math.log(float(p)) for p in true) / 4 - sum(math.log(1 - float(p)) for p in false) / 4
    assert float(found["generator"]) == pytest.approx(generator, rel=1e-5)
    assert float(found["discriminator"]) == pytest.approx(discriminator, rel=1e-5)
    expected = 0.999 * float(found["error"]) + 0.001 * (generator + discriminator)
    assert float(found["loss"]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("encoder", ["cnn", "resnet"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_every_parameter_under_autocast(kind: type[Inpaint], encoder: str) -> None:
    objective = kind(setup("inpaint", encoder), "random")
    network = fresh(objective)
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective.loss(network, drawn_batch(2))
    assert loss.dtype == torch.float32
    assert reached(network, loss) == named(network, "")


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_falls(kind: type[Inpaint]) -> None:
    objective = kind(setup("inpaint"))
    found = losses(objective, fresh(objective), drawn_batch())
    assert found[-1] < 0.8 * found[0]
