"""Augmentation does to a batch what torchvision does to its images one by one, with the same distributions.

Operations with given parameters are compared value by value, with torchvision on float tensors (colour) or on Pillow's
8-bit images (geometry, as the released code ran it). Random parameters are compared by their statistics.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from kornia import augmentation
from scipy import stats
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import functional as tv

from pse_repro.data import augment
from pse_repro.data.augment import ColorJitter, downstream_augmentation, pretrain_augmentation
from pse_repro.seeding import seeded

AUGMENTATIONS: dict[str, Callable[[], augment.Augmentation | None]] = {
    "small": lambda: pretrain_augmentation("small"),
    "high": lambda: downstream_augmentation("high"),
    "higher": lambda: downstream_augmentation("higher"),
    "high without crop": lambda: downstream_augmentation("high", crop=False),
}
# The means of two samples of one distribution lie so many standard errors apart once in 15,000 comparisons.
FAR = 4.0


@pytest.fixture(autouse=True)
def _seeded(request: pytest.FixtureRequest) -> Iterator[None]:
    with seeded("test_augment", request.node.name):
        yield


def noise(count: int, height: int = 96, width: int = 96) -> Tensor:
    """Return images (N, 3, H, W) of noise in [0, 1]."""
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def smooth(count: int) -> Tensor:
    """Return images (N, 3, 96, 96) of a few large spots, on 8-bit levels."""
    images = torch.nn.functional.interpolate(noise(count, 6, 6), (96, 96), mode="bicubic").clamp(0, 1)
    return (images * 255).round() / 255


def through_pillow(images: Tensor, change: Callable[[object, int], object]) -> Tensor:
    """Return each image changed as an 8-bit Pillow image; `change` takes it and its number."""
    changed = [change(tv.to_pil_image(image), number) for number, image in enumerate(images)]
    return torch.stack([tv.pil_to_tensor(image) for image in changed]) / 255


def marked(count: int) -> Tensor:
    """Return images whose red and green are the column and the row, and blue one: where a pixel came from, and if."""
    ramp = (torch.arange(96) + 0.5) / 96
    image = torch.stack([ramp.expand(96, 96), ramp[:, None].expand(96, 96), torch.ones(96, 96)])
    return image.expand(count, -1, -1, -1).clone()


def assert_alike(first: Tensor | np.ndarray, second: Tensor | np.ndarray) -> None:
    """Assert that two samples have one mean, one deviation and one distribution, as far as they can tell."""
    first, second = (np.asarray(sample, dtype=float) for sample in (first, second))
    error = np.sqrt(first.var() / len(first) + second.var() / len(second))
    assert abs(first.mean() - second.mean()) < FAR * error + 1e-6
    centred = [(sample - sample.mean()) ** 2 for sample in (first, second)]
    error = np.sqrt(sum(square.var() / len(square) for square in centred))
    assert abs(centred[0].mean() - centred[1].mean()) < FAR * error + 1e-6
    assert stats.ks_2samp(first, second).pvalue > 1e-4


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_shape_type_range_and_memory_format_are_kept(name: str) -> None:
    augment_batch = AUGMENTATIONS[name]()
    assert augment_batch is not None
    images = noise(40).contiguous(memory_format=torch.channels_last)
    before = images.clone()
    with seeded("a"):
        augmented = augment_batch(images)
    assert (augmented.shape, augmented.dtype) == (images.shape, torch.float32)
    assert augmented.is_contiguous(memory_format=torch.channels_last)
    assert augmented.min() >= 0
    assert augmented.max() <= 1
    assert torch.equal(images, before)
    assert all(not torch.equal(one, other) for one, other in zip(images, augmented, strict=True))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_seed_decides_every_draw(name: str) -> None:
    augment_batch, images = AUGMENTATIONS[name](), noise(8)
    assert augment_batch is not None
    drawn = []
    for seed in (1, 1, 2):
        with seeded("epoch", seed):
            drawn.append(augment_batch(images))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_images_of_a_batch_are_drawn_apart(name: str) -> None:
    augment_batch = AUGMENTATIONS[name]()
    assert augment_batch is not None
    with seeded("a"):
        augmented = augment_batch(noise(1).expand(6, -1, -1, -1))
    assert len({image.numpy().tobytes() for image in augmented}) == 6


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_batch_of_one_will_do(name: str) -> None:
    augment_batch = AUGMENTATIONS[name]()
    assert augment_batch is not None
    for seed in range(3):  # so that the perspective, which one in five images gets, is chosen and is not
        with seeded(seed):
            assert augment_batch(noise(1)).shape == (1, 3, 96, 96)


def test_none_is_no_augmentation() -> None:
    assert pretrain_augmentation("none") is None
    assert downstream_augmentation("none") is None


def member(kind: type) -> torch.nn.Module:
    """The one step of that kind in "high"."""
    high = downstream_augmentation("high")
    assert isinstance(high, torch.nn.Sequential)
    (found,) = [step for step in high if isinstance(step, kind)]
    return found


@pytest.mark.parametrize(
    ("index", "theirs", "turns"),
    [
        (0, tv.adjust_brightness, 1),
        (1, tv.adjust_contrast, 1),
        (2, tv.adjust_saturation, 1),
        (3, tv.adjust_hue, 2 * math.pi),
    ],
    ids=["brightness", "contrast", "saturation", "hue"],
)
def test_each_colour_operation_is_torchvisions(
    index: int, theirs: Callable[[Tensor, float], Tensor], turns: float
) -> None:
    operation, centre, reach = ColorJitter(0.2, 0.1, 0.05, 0.05).operations[index]
    assert reach == pytest.approx((0.2, 0.1, 0.05, 0.05)[index] * turns)
    for factor in (centre - reach, centre, centre + reach):
        ours = operation(smooth(4), torch.full((4,), factor)).clamp(0, 1)
        torch.testing.assert_close(ours, theirs(smooth(4), factor / turns), atol=2e-5, rtol=0)


def test_factors_are_uniform_over_their_range() -> None:
    jitter = ColorJitter(brightness=0.2)
    factors = (jitter(torch.full((4000, 3, 1, 1), 0.5)) / 0.5)[:, 0, 0, 0]
    assert stats.kstest(factors.numpy(), stats.uniform(0.8, 0.4).cdf).pvalue > 1e-4


def test_the_four_operations_come_in_every_order_equally_often() -> None:
    jitter = ColorJitter(0.2, 0.1, 0.05, 0.05)
    # Each operation writes its number as one more digit (in base 5, so that every order ends at another value).
    jitter.operations = [
        (lambda images, _, digit=digit: images / 5 + digit / 10, 1.0, 0.1) for digit in range(1, 5)
    ]  # fmt: skip
    values, counts = jitter(torch.zeros(4800, 1, 1, 1)).flatten().double().round(decimals=6).unique(return_counts=True)
    assert len(values) == 24
    assert stats.chisquare(counts.numpy()).pvalue > 1e-4


def test_an_operation_whose_range_is_zero_is_left_out() -> None:
    assert len(ColorJitter(brightness=0.05, contrast=0.05).operations) == 2


def test_half_of_the_images_are_flipped() -> None:
    images = marked(2000)[..., ::12, ::12]
    flipped = member(augmentation.RandomHorizontalFlip)(images)
    mirrored = (flipped == images.flip(-1)).flatten(1).all(1)
    assert ((flipped == images).flatten(1).all(1) ^ mirrored).all()
    assert float(mirrored.double().mean()) == pytest.approx(0.5, abs=FAR * 0.5 / 2000**0.5)


def test_the_padded_crop_moves_by_each_offset_equally_often_and_is_black_outside() -> None:
    small = pretrain_augmentation("small")
    assert isinstance(small, torch.nn.Sequential)
    moved = small[1](marked(1620))
    shown = moved[:, 2] > 0.5
    heights, widths = shown.any(2).sum(1), shown.any(1).sum(1)
    assert (heights.min(), widths.min()) == (92, 92)  # at most four black rows and columns
    tops = (moved[:, 1, 48, 48] * 96 - 0.5).round() - 48
    assert stats.chisquare(tops.unique(return_counts=True)[1].numpy()).pvalue > 1e-4
    assert set(tops.tolist()) == set(range(-4, 5))


def slopes(images: Tensor) -> Tensor:
    """How fast the marked column and row change along x and y, fitted over each image's middle: (N, 2, 2)."""
    place = torch.arange(-31.5, 32) / 96
    y, x = (axis.flatten() / (place.square().sum() * 64) for axis in torch.meshgrid(place, place, indexing="ij"))
    middle = images[:, :2, 16:80, 16:80].flatten(2)
    return torch.stack([middle @ x, middle @ y], -1)


def test_the_resized_crops_are_torchvisions_in_distribution() -> None:
    scales = slopes(member(augmentation.RandomResizedCrop)(marked(600)))
    widths, heights = scales[:, 0, 0], scales[:, 1, 1]
    boxes = [transforms.RandomResizedCrop.get_params(noise(1)[0], (0.8, 1.0), (0.8, 1.2))[2:] for _ in range(600)]
    theirs = torch.tensor(boxes) / 96
    assert_alike(widths * heights, theirs[:, 0] * theirs[:, 1])
    assert_alike(widths / heights, theirs[:, 1] / theirs[:, 0])


def test_every_image_is_rotated_by_an_angle_uniform_over_the_range() -> None:
    turned = slopes(member(augmentation.RandomRotation)(marked(600)))
    degrees = torch.atan2(turned[:, 0, 1] - turned[:, 1, 0], turned[:, 0, 0] + turned[:, 1, 1]).rad2deg()
    assert degrees.abs().max() < 10.1
    assert stats.kstest(degrees.numpy(), stats.uniform(-10, 20).cdf).pvalue > 1e-4


def test_the_corners_move_inwards_as_torchvisions_and_for_one_image_in_five() -> None:
    projection = member(augmentation.RandomPerspective)
    changed = (projection(marked(3000)) != marked(3000)).flatten(1).any(1)
    assert float(changed.double().mean()) == pytest.approx(0.2, abs=FAR * 0.4 / 3000**0.5)
    drawn = projection.forward_parameters(torch.Size([3000, 3, 96, 96]))
    moves = (drawn["end_points"] - drawn["start_points"]).abs()
    theirs = [transforms.RandomPerspective.get_params(96, 96, 0.1) for _ in range(2000)]
    their_moves = (
        torch.tensor([end for _, end in theirs]).sub(torch.tensor([start for start, _ in theirs])).abs().float()
    )
    assert (float(moves.max()), float(their_moves.max())) == (pytest.approx(4, abs=0.1), 4)
    assert float(moves.mean()) == pytest.approx(float(their_moves.mean()), abs=0.05)


# As the slides (switch 4), the released code and its earlier state (switch 10) compose them.
TORCHVISIONS = {
    "small": transforms.Compose(
        [
            transforms.ColorJitter(0.05, 0.05),
            transforms.RandomCrop(96, padding=4),
            transforms.RandomHorizontalFlip(0.5),
        ]
    ),
    "high": transforms.Compose(
        [
            transforms.RandomResizedCrop(96, scale=(0.8, 1.0), ratio=(0.8, 1.2)),
            transforms.RandomHorizontalFlip(0.5),
            transforms.ColorJitter(0.2, 0.1, 0.05, 0.05),
            transforms.RandomRotation(10),
            transforms.RandomPerspective(0.1, 0.2),
        ]
    ),
}
TORCHVISIONS["higher"] = transforms.Compose(
    [
        transforms.RandomResizedCrop(96),
        transforms.RandomHorizontalFlip(0.5),
        transforms.ColorJitter(0.3, 0.3, 0.1, 0.05),
        transforms.RandomRotation(30),
        transforms.RandomPerspective(0.3, 0.5),
    ]
)
TORCHVISIONS["high without crop"] = transforms.Compose(TORCHVISIONS["high"].transforms[1:])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_whole_is_torchvisions_in_distribution(name: str) -> None:
    images, ours = ((0.1 + 0.8 * smooth(1)) * 255).round().div(255).expand(600, -1, -1, -1), AUGMENTATIONS[name]()
    assert ours is not None
    first = ours(images)
    if name == "small":  # on floats: Pillow's jitter cuts to 8 bits, half a level darker a step, which would show here
        second = torch.stack([TORCHVISIONS[name](image) for image in images])
    else:
        second = through_pillow(images, lambda image, _: TORCHVISIONS[name](image))
    black = [(batch.amax(1) < 0.02) for batch in (first, second)]
    for statistic in (
        lambda x: x.mean((1, 2, 3)),
        lambda x: x[..., 30:66, 30:66].std((1, 2, 3)) / x[..., 30:66, 30:66].mean((1, 2, 3)),  # contrast
        lambda x: x[..., :40].mean((1, 2, 3)) - x[..., 56:].mean((1, 2, 3)),
        lambda x: x[:, :, :40].mean((1, 2, 3)) - x[:, :, 56:].mean((1, 2, 3)),
        lambda x: (x[:, 0] - x[:, 2]).mean((1, 2)),
        lambda x: x.diff(dim=3).abs().mean((1, 2, 3)),  # sharpness
    ):
        assert_alike(statistic(first), statistic(second))
    assert_alike(*(corners.double().mean((1, 2)) for corners in black))
