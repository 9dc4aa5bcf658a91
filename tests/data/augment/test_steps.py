"""Each step with given parameters, value by value against torchvision or Pillow; what is drawn, by its statistics.

Pillow's 8-bit images are what the released code ran on (colour has a file of its own).
"""

import pytest
import torch
from scipy import stats
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
    smooth,
    through_pillow,
)


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


def test_the_resized_crop_is_pillows() -> None:
    crop, images = member(steps.ResizedCrop), smooth(12)
    drawn = crop.draw(12)
    boxes = drawn.int().tolist()

    def change(image: object, number: int) -> object:
        left, top, width, height = boxes[number]
        return tv.resized_crop(image, top, left, height, width, [96, 96])

    torch.testing.assert_close(crop(images, drawn), through_pillow(images, change), atol=1.6 / 255, rtol=0)


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


def test_the_rotation_is_pillows() -> None:
    rotation, images = member(steps.Rotation, "higher"), smooth(12)
    drawn = rotation.draw(12)
    wanted = through_pillow(images, lambda image, number: tv.rotate(image, float(drawn[number, 0])))
    # Pillow counts in 1/65536 of a pixel: where a source lies on the border of two pixels, it may take the other.
    others = ((rotation(images, drawn) - wanted).abs() > 1e-6).any(1)
    assert float(others.double().mean()) < 2e-3


def test_every_image_is_rotated_by_an_angle_uniform_over_the_range() -> None:
    turned = slopes(changed(member(steps.Rotation), marked(600)))
    degrees = torch.atan2(turned[:, 0, 1] - turned[:, 1, 0], turned[:, 0, 0] + turned[:, 1, 1]).rad2deg()
    assert degrees.abs().max() < 10.1
    assert stats.kstest(degrees.numpy(), stats.uniform(-10, 20).cdf).pvalue > 1e-4


def test_the_perspective_is_pillows_and_the_others_stay_as_they_are() -> None:
    projection, images = member(steps.Perspective, "higher"), smooth(24)
    drawn = projection.draw(24)
    first = [[0, 0], [95, 0], [95, 95], [0, 95]]

    def change(image: object, number: int) -> object:
        if not drawn[number, 0]:
            return image
        x, y = drawn[number, 1:].reshape(4, 2).T.tolist()
        last = [[x[0], y[0]], [95 - x[1], y[1]], [95 - x[2], 95 - y[2]], [x[3], 95 - y[3]]]
        return tv.perspective(image, first, last)

    warped, wanted = projection(images.clone(), drawn), through_pillow(images, change)
    assert 5 < drawn[:, 0].sum() < 19
    assert torch.equal(warped[drawn[:, 0] == 0], images[drawn[:, 0] == 0])
    # Cut to 8 bits, not rounded; a source on the very edge of the image may be counted as outside
    others = ((warped - wanted).abs() > 1.1 / 255).any(1)
    assert float(others.double().mean()) < 1e-4


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
