"""Colour operations on whole levels against torchvision's on 8-bit Pillow images, with the same factors."""

import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional as tv

from pse_repro.data.augment.colour import TOWARDS, ColorJitter
from pse_repro.data.augment.pillow import PillowJitter, blend_levels_, shift_hue_levels
from tests.support.augment_images import member, through_pillow
from tests.support.pillow_steps import ADJUST, UNCHANGED, as_in_pillow, levels_off, operations

MEAN = 0.02  # levels by which the mean of many images may be off: a missing cut makes 0.5
OTHERS = 0.01  # share of values that may be another level, since float32 rounds otherwise than Pillow
FACTORS = (0.0, 0.7, 0.8, 0.97, 1.0, 1.017, 1.2, 1.3, 3.0)


def parts(name: str, factors: Tensor) -> Tensor:
    """Return the weights (N, 3) of the operation's blend for each factor."""
    return torch.cat([factors[:, None], (1 - factors[:, None]) * torch.tensor(TOWARDS[name])], 1)


def levels() -> Tensor:
    """Return an image (1, 3, 16, 16) of all grey levels."""
    return torch.arange(256.0).reshape(1, 1, 16, 16).repeat(1, 3, 1, 1)


@pytest.mark.parametrize("name", TOWARDS)
def test_a_blend_is_pillows(name: str, pictures: Tensor) -> None:
    factors = torch.cat([torch.tensor(FACTORS), 0.7 + 0.6 * torch.rand(len(pictures) - len(FACTORS))])
    wanted = through_pillow(pictures, lambda picture, number: ADJUST[name](picture, float(factors[number])))
    blended = blend_levels_((pictures * 255).round(), parts(name, factors)) / 255
    mean, others = levels_off(blended, wanted)
    assert abs(mean) < MEAN
    assert others < OTHERS
    # A grey level rounded otherwise counts twice with factor 3
    torch.testing.assert_close(blended, wanted, atol=2.001 / 255, rtol=0)


def test_a_brighter_grey_is_cut_to_its_level() -> None:
    grey = torch.full((1, 3, 4, 4), 101.0)  # 101 * 1.017 = 102.717
    assert torch.equal(blend_levels_(grey, parts("brightness", torch.tensor([1.017]))), torch.full((1, 3, 4, 4), 102.0))


def test_every_level_stays_in_a_blend_without_effect() -> None:
    assert torch.equal(blend_levels_(levels(), torch.tensor([UNCHANGED])), levels())


@pytest.mark.parametrize("name", ["contrast", "saturation"])
def test_grey_is_not_cut_below_its_own_level(name: str) -> None:
    grey = levels()[0, 0].reshape(256, 1, 1, 1).repeat(1, 3, 2, 2)
    for factor in torch.linspace(0, 3, 101):
        assert torch.equal(blend_levels_(grey.clone(), parts(name, factor.expand(256))), grey)


def test_the_shifted_hue_is_pillows(pictures: Tensor) -> None:
    turns = torch.cat([torch.tensor([-0.5, -0.05, -0.001, 0.0, 0.05, 0.5]), torch.rand(len(pictures) - 6) - 0.5])
    wanted = through_pillow(pictures, lambda picture, number: tv.adjust_hue(picture, float(turns[number])))
    mean, others = levels_off(shift_hue_levels((pictures * 255).round(), turns) / 255, wanted)
    assert abs(mean) < MEAN
    assert others < OTHERS


def test_the_hue_of_grey_is_not_shifted() -> None:
    assert torch.equal(shift_hue_levels(levels(), torch.tensor([0.3])), levels())


@pytest.mark.parametrize("name", ["small", "high", "higher"])
def test_the_jitter_is_pillows_operations_one_by_one(name: str, pictures: Tensor) -> None:
    jitter = member(PillowJitter, name)
    drawn = jitter.draw(len(pictures))
    changed = jitter(pictures.clone(), drawn)
    mean, others = levels_off(changed, as_in_pillow(jitter, pictures, drawn))
    assert abs(mean) < MEAN
    assert others < OTHERS
    assert torch.equal(changed, (changed * 255).round() / 255)


def test_a_jitter_without_effect_gives_the_images_on_their_next_levels() -> None:
    jitter, images = PillowJitter(0.1, 0.1, 0.1), levels() / 255
    drawn = torch.tensor([UNCHANGED * 3])
    assert torch.equal(jitter((levels() + 0.4) / 255, drawn), images)
    assert torch.equal(jitter(images.clone(), drawn), images)


def test_its_draws_are_those_of_the_jitter_on_floats() -> None:
    torch.manual_seed(0)
    ours = PillowJitter(0.2, 0.1, 0.05, 0.05).draw(6)
    torch.manual_seed(0)
    jitter = ColorJitter(0.2, 0.1, 0.05, 0.05)
    assert torch.equal(jitter.draw(6), ours)
    assert len(operations(jitter, ours[0])) == 4
