"""Augmentation does to a batch what torchvision does to its images one by one, with the same distributions.

Operations with given parameters are compared value by value, with torchvision on float tensors or on Pillow's 8-bit
images, as the released code ran it (colour has a file of its own). Random parameters are compared by their statistics.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import functional as tv

from pse_repro.data import augment
from pse_repro.data.augment import downstream_augmentation, pretrain_augmentation
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


def member(kind: type, name: str = "high") -> augment.Step:
    """The one step of that kind in an augmentation."""
    steps = AUGMENTATIONS[name]()
    assert isinstance(steps, augment.Steps)
    (found,) = [step for step in steps.steps if isinstance(step, kind)]
    return found


def changed(step: augment.Step, images: Tensor) -> Tensor:
    """Return the images with a step's random changes; they themselves stay as they are."""
    return step(images.clone(), step.draw(len(images)))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_parts_memory_format_and_autocast_make_no_difference(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    augment_batch, images = AUGMENTATIONS[name](), noise(21)
    assert augment_batch is not None
    drawn = []
    for size, autocast, given in ((4, False, images), (21, True, images.to(memory_format=torch.channels_last))):
        monkeypatch.setattr(augment, "CPU_IMAGES", size)
        with seeded("a"), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            drawn.append(augment_batch(given))
    torch.testing.assert_close(*drawn, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_no_images_are_no_images(name: str) -> None:
    augment_batch = AUGMENTATIONS[name]()
    assert augment_batch is not None
    assert augment_batch(noise(0)).shape == (0, 3, 96, 96)


def test_half_of_the_images_are_flipped() -> None:
    images = marked(2000)[..., ::12, ::12]
    flipped = changed(augment.Flip(), images)
    mirrored = (flipped == images.flip(-1)).flatten(1).all(1)
    assert ((flipped == images).flatten(1).all(1) ^ mirrored).all()
    assert float(mirrored.double().mean()) == pytest.approx(0.5, abs=FAR * 0.5 / 2000**0.5)


def test_the_padded_crop_is_torchvisions() -> None:
    crop, images = augment.PaddedCrop(4), noise(12)
    drawn = crop.draw(12)
    wanted = [
        tv.crop(tv.pad(image, [4]), int(y) + 4, int(x) + 4, 96, 96) for image, (x, y) in zip(images, drawn, strict=True)
    ]
    torch.testing.assert_close(crop(images, drawn), torch.stack(wanted), atol=0, rtol=0)


def test_the_padded_crop_moves_by_each_offset_equally_often() -> None:
    offsets = member(augment.PaddedCrop, "small").draw(8100)
    values, counts = offsets.unique(dim=0, return_counts=True)
    assert (len(values), values.min(), values.max()) == (81, -4, 4)
    assert stats.chisquare(counts.numpy()).pvalue > 1e-4


@pytest.mark.parametrize("name", ["high", "higher"])
def test_the_resized_crop_is_an_interpolation_of_its_box_alone(name: str) -> None:
    crop, images = member(augment.ResizedCrop, name), noise(12).double()
    drawn = crop.draw(12)
    boxes = [image[:, top : top + height, left : left + width] for image, (left, top, width, height) in zip(
        images, drawn.int().tolist(), strict=True)]  # fmt: skip
    wanted = [torch.nn.functional.interpolate(box[None], (96, 96), mode="bilinear") for box in boxes]
    torch.testing.assert_close(crop(images, drawn), torch.cat(wanted), atol=1e-9, rtol=0)


def test_the_resized_crop_is_pillows() -> None:
    crop, images = member(augment.ResizedCrop), smooth(12)
    drawn = crop.draw(12)
    boxes = drawn.int().tolist()

    def change(image: object, number: int) -> object:
        left, top, width, height = boxes[number]
        return tv.resized_crop(image, top, left, height, width, [96, 96])

    torch.testing.assert_close(crop(images, drawn), through_pillow(images, change), atol=1.6 / 255, rtol=0)


def test_a_crop_that_never_fits_is_the_whole_image() -> None:
    boxes = augment.ResizedCrop((1.0, 1.0), (4.0, 5.0)).draw(3)
    assert boxes.tolist() == [[0, 0, 96, 96]] * 3
    images = noise(3)
    torch.testing.assert_close(augment.ResizedCrop((1.0, 1.0), (1.0, 1.0))(images, boxes), images, atol=2e-5, rtol=0)


def slopes(images: Tensor) -> Tensor:
    """How fast the marked column and row change along x and y, fitted over each image's middle: (N, 2, 2)."""
    place = torch.arange(-31.5, 32) / 96
    y, x = (axis.flatten() / (place.square().sum() * 64) for axis in torch.meshgrid(place, place, indexing="ij"))
    middle = images[:, :2, 16:80, 16:80].flatten(2)
    return torch.stack([middle @ x, middle @ y], -1)


def test_the_resized_crops_are_torchvisions_in_distribution() -> None:
    scales = slopes(changed(member(augment.ResizedCrop), marked(600)))
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
    for ours, other in zip(member(augment.ResizedCrop, name).draw(9000).double().T, their_boxes.T, strict=True):
        assert_alike(ours, other)


def test_the_rotation_is_pillows() -> None:
    rotation, images = member(augment.Rotation, "higher"), smooth(12)
    drawn = rotation.draw(12)
    wanted = through_pillow(images, lambda image, number: tv.rotate(image, float(drawn[number, 0])))
    # Pillow counts in 1/65536 of a pixel: where a source lies on the border of two pixels, it may take the other.
    others = ((rotation(images, drawn) - wanted).abs() > 1e-6).any(1)
    assert float(others.double().mean()) < 2e-3


def test_every_image_is_rotated_by_an_angle_uniform_over_the_range() -> None:
    turned = slopes(changed(member(augment.Rotation), marked(600)))
    degrees = torch.atan2(turned[:, 0, 1] - turned[:, 1, 0], turned[:, 0, 0] + turned[:, 1, 1]).rad2deg()
    assert degrees.abs().max() < 10.1
    assert stats.kstest(degrees.numpy(), stats.uniform(-10, 20).cdf).pvalue > 1e-4


def test_the_perspective_is_pillows_and_the_others_stay_as_they_are() -> None:
    projection, images = member(augment.Perspective, "higher"), smooth(24)
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
    drawn = member(augment.Perspective, name).draw(4000)
    error = (theirs.p * (1 - theirs.p) / 4000) ** 0.5
    assert float(drawn[:, 0].mean()) == pytest.approx(theirs.p, abs=FAR * error)
    ends = [theirs.get_params(96, 96, theirs.distortion_scale) for _ in range(500)]
    their_moves = torch.tensor([end for _, end in ends]).sub(torch.tensor([start for start, _ in ends])).abs()
    assert set(drawn[:, 1:].unique().tolist()) == set(their_moves.unique().tolist())
    assert stats.chisquare(drawn[:, 1:].unique(return_counts=True)[1].numpy()).pvalue > 1e-4


def test_a_homography_takes_the_moved_corners_to_the_images() -> None:
    moves = torch.randint(0, 15, (20, 4, 2)).double()
    a, b, c, d, e, f, g, h = augment.homographies(moves.flatten(1)).T[..., None]
    corners = torch.tensor([[0, 0], [95, 0], [95, 95], [0, 95]]).double()
    x, y = (corners + moves * torch.tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])).unbind(-1)
    found = torch.stack([a * x + b * y + c, d * x + e * y + f], -1) / (g * x + h * y + 1)[..., None]
    torch.testing.assert_close(found, corners.expand(20, 4, 2), atol=1e-9, rtol=0)


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
