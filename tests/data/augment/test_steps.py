"""Each step with given parameters, value by value against torchvision or Pillow; what is drawn, by its statistics.

Pillow's 8-bit images are what the released code ran on (colour has a file of its own).
"""

import pytest
import torch
from scipy import stats
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import functional as tv

from pse_repro.data.augment import steps
from tests.support.augment_images import (
    FAR,
    TORCHVISIONS,
    assert_alike,
    changed,
    marked,
    member,
    noise,
    slopes,
)
from tests.support.pillow_steps import as_in_pillow, levels_off, on_levels

MEAN = 0.05  # levels of 255 by which the mean of many images may be off: a missing cut makes 0.5


def test_half_of_the_images_are_flipped() -> None:
    images = marked(2000)[..., ::12, ::12]
    flipped = changed(steps.Flip(), images)
    mirrored = (flipped == images.flip(-1)).flatten(1).all(1)
    assert ((flipped == images).flatten(1).all(1) ^ mirrored).all()
    assert float(mirrored.double().mean()) == pytest.approx(0.5, abs=FAR * 0.5 / 2000**0.5)


def test_the_padded_crop_is_torchvisions() -> None:
    crop, images = steps.PaddedCrop(4), noise(12)
    drawn = crop.draw(12)
    wanted = [
        tv.crop(tv.pad(image, [4]), int(y) + 4, int(x) + 4, 96, 96) for image, (x, y) in zip(images, drawn, strict=True)
    ]
    torch.testing.assert_close(crop(images, drawn), torch.stack(wanted), atol=0, rtol=0)


def test_the_padded_crop_moves_by_each_offset_equally_often() -> None:
    offsets = member(steps.PaddedCrop, "small").draw(8100)
    values, counts = offsets.unique(dim=0, return_counts=True)
    assert (len(values), values.min(), values.max()) == (81, -4, 4)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-4


@pytest.mark.parametrize("name", ["high", "higher"])
def test_the_resized_crop_is_an_interpolation_of_its_box_alone(name: str) -> None:
    crop, images = member(steps.ResizedCrop, name), noise(12).double()
    drawn = crop.draw(12)
    boxes = [image[:, top : top + height, left : left + width] for image, (left, top, width, height) in zip(
        images, drawn.int().tolist(), strict=True)]  # fmt: skip
    wanted = [torch.nn.functional.interpolate(box[None], (96, 96), mode="bilinear") for box in boxes]
    torch.testing.assert_close(crop(images, drawn), torch.cat(wanted), atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", ["high", "higher"])
def test_the_resized_crop_is_pillows(name: str, pictures: Tensor) -> None:
    crop = member(steps.ResizedCrop, name)
    drawn = crop.draw(len(pictures))
    resized, wanted = crop(pictures, drawn), as_in_pillow(crop, pictures, drawn)
    # Pillow rounds after each of the two directions
    torch.testing.assert_close(resized, wanted, atol=1.6 / 255, rtol=0)
    assert abs(levels_off(resized, wanted)[0]) < MEAN


def test_a_crop_that_never_fits_is_the_whole_image() -> None:
    boxes = steps.ResizedCrop((1.0, 1.0), (4.0, 5.0)).draw(3)
    assert boxes.tolist() == [[0, 0, 96, 96]] * 3
    images = noise(3)
    torch.testing.assert_close(steps.ResizedCrop((1.0, 1.0), (1.0, 1.0))(images, boxes), images, atol=2e-5, rtol=0)


def test_the_resized_crops_are_torchvisions_in_distribution() -> None:
    scales = slopes(changed(member(steps.ResizedCrop), marked(600)))
    widths, heights = scales[:, 0, 0], scales[:, 1, 1]
    boxes = [transforms.RandomResizedCrop.get_params(noise(1)[0], (0.8, 1.0), (0.8, 1.2))[2:] for _ in range(600)]
    theirs = torch.tensor(boxes) / 96
    assert_alike(widths * heights, theirs[:, 0] * theirs[:, 1])
    assert_alike(widths / heights, theirs[:, 1] / theirs[:, 0])


@pytest.mark.parametrize("name", ["high", "higher"])
def test_the_boxes_lie_as_torchvisions(name: str) -> None:
    theirs = TORCHVISIONS[name].transforms[0]
    drawn = [theirs.get_params(noise(1)[0], theirs.scale, theirs.ratio) for _ in range(3000)]
    their_boxes = torch.tensor(drawn).double()[:, [1, 0, 3, 2]]  # left, top, width, height
    for ours, other in zip(member(steps.ResizedCrop, name).draw(9000).double().T, their_boxes.T, strict=True):
        assert_alike(ours, other)


def test_the_rotation_is_pillows(pictures: Tensor) -> None:
    rotation = member(steps.Rotation, "higher")
    drawn = rotation.draw(len(pictures))
    mean, others = levels_off(rotation(pictures, drawn), as_in_pillow(rotation, pictures, drawn))
    # Pillow counts in 1/65536 of a pixel: where a source lies on the border of two pixels, it may take the other.
    assert others < 2e-3
    assert abs(mean) < MEAN


def test_every_image_is_rotated_by_an_angle_uniform_over_the_range() -> None:
    turned = slopes(changed(member(steps.Rotation), marked(600)))
    degrees = torch.atan2(turned[:, 0, 1] - turned[:, 1, 0], turned[:, 0, 0] + turned[:, 1, 1]).rad2deg()
    assert degrees.abs().max() < 10.1
    assert stats.kstest(degrees.numpy(), stats.uniform(-10, 20).cdf).pvalue > 1e-4


@pytest.mark.parametrize("name", ["high", "higher"])
def test_the_perspective_is_pillows_and_the_others_stay_as_they_are(name: str, pictures: Tensor) -> None:
    projection = member(steps.Perspective, name)
    drawn = projection.draw(len(pictures))
    warped, is_chosen = projection(pictures.clone(), drawn), drawn[:, 0] == 1
    assert 0.1 < is_chosen.double().mean() < 0.7
    assert torch.equal(warped[~is_chosen], pictures[~is_chosen])
    assert torch.equal(warped, on_levels(warped))
    mean, others = levels_off(warped[is_chosen], as_in_pillow(projection, pictures, drawn)[is_chosen])
    # A source on the very edge of the image may be counted as outside
    assert others < 2e-3
    assert abs(mean) < MEAN


def test_every_level_stays_in_perspective() -> None:
    images = (torch.arange(256) / 255).reshape(256, 1, 1, 1).repeat(1, 3, 96, 96)
    warped = changed(steps.Perspective(reach=14, share=1.0), images)
    assert ((warped == images) | (warped == 0)).all()
    assert torch.equal(warped[..., 20:76, 20:76], images[..., 20:76, 20:76])


@pytest.mark.parametrize("name", ["high", "higher"])
def test_the_corners_move_inwards_as_torchvisions_and_as_often(name: str) -> None:
    theirs = TORCHVISIONS[name].transforms[-1]
    drawn = member(steps.Perspective, name).draw(4000)
    error = (theirs.p * (1 - theirs.p) / 4000) ** 0.5
    assert float(drawn[:, 0].mean()) == pytest.approx(theirs.p, abs=FAR * error)
    ends = [theirs.get_params(96, 96, theirs.distortion_scale) for _ in range(500)]
    their_moves = torch.tensor([end for _, end in ends]).sub(torch.tensor([start for start, _ in ends])).abs()
    assert set(drawn[:, 1:].unique().tolist()) == set(their_moves.unique().tolist())
    assert stats.chisquare(drawn[:, 1:].unique(return_counts=True)[1].numpy()).pvalue > 1e-4


def test_a_homography_takes_the_moved_corners_to_the_images() -> None:
    moves = torch.randint(0, 15, (20, 4, 2)).double()
    a, b, c, d, e, f, g, h = steps.homographies(moves.flatten(1)).T[..., None]
    corners = torch.tensor([[0, 0], [95, 0], [95, 95], [0, 95]]).double()
    x, y = (corners + moves * torch.tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])).unbind(-1)
    found = torch.stack([a * x + b * y + c, d * x + e * y + f], -1) / (g * x + h * y + 1)[..., None]
    torch.testing.assert_close(found, corners.expand(20, 4, 2), atol=1e-9, rtol=0)
