"""Augmentation does to a batch what torchvision does to its images one by one, with the same distributions.

Operations with given parameters are compared value by value, with torchvision on float tensors (colour) or on Pillow's
8-bit images (geometry, as the released code ran it). Random parameters are compared by their statistics.
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
from pse_repro.data.augment import color_jitter, crop_boxes, downstream_augmentation, pretrain_augmentation
from pse_repro.seeding import seeded

AUGMENTATIONS: dict[str, Callable[[], augment.Augmentation | None]] = {
    "small": lambda: pretrain_augmentation("small"),
    "high": lambda: downstream_augmentation("high"),
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
    augmentation = AUGMENTATIONS[name]()
    assert augmentation is not None
    images = noise(40).contiguous(memory_format=torch.channels_last)
    before = images.clone()
    with seeded("a"):
        augmented = augmentation(images)
    assert (augmented.shape, augmented.dtype) == (images.shape, torch.float32)
    assert augmented.is_contiguous(memory_format=torch.channels_last)
    assert augmented.min() >= 0
    assert augmented.max() <= 1
    assert torch.equal(images, before)
    assert all(not torch.equal(one, other) for one, other in zip(images, augmented, strict=True))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_seed_decides_every_draw(name: str) -> None:
    augmentation, images = AUGMENTATIONS[name](), noise(8)
    assert augmentation is not None
    drawn = []
    for seed in (1, 1, 2):
        with seeded("epoch", seed):
            drawn.append(augmentation(images))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_images_of_a_batch_are_drawn_apart(name: str) -> None:
    augmentation = AUGMENTATIONS[name]()
    assert augmentation is not None
    with seeded("a"):
        augmented = augmentation(noise(1).expand(6, -1, -1, -1))
    assert len({image.numpy().tobytes() for image in augmented}) == 6


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_batch_of_one_and_of_none_will_do(name: str, count: int) -> None:
    augmentation = AUGMENTATIONS[name]()
    assert augmentation is not None
    for seed in range(3):  # so that the perspective, which one in five images gets, is chosen and is not
        with seeded(seed):
            assert augmentation(noise(1)[:count]).shape == (count, 3, 96, 96)


def test_none_is_no_augmentation() -> None:
    assert pretrain_augmentation("none") is None
    assert downstream_augmentation("none") is None


@pytest.mark.parametrize(
    ("ours", "theirs", "factors"),
    [
        (augment.adjust_brightness, tv.adjust_brightness, [0.0, 0.8, 1.0, 1.2, 3.0]),
        (augment.adjust_contrast, tv.adjust_contrast, [0.0, 0.9, 1.0, 1.1, 3.0]),
        (augment.adjust_saturation, tv.adjust_saturation, [0.0, 0.95, 1.0, 1.05, 3.0]),
        (augment.adjust_hue, tv.adjust_hue, [-0.5, -0.05, 0.0, 0.02, 0.05, 0.4]),
    ],
)
def test_each_colour_operation_is_torchvisions(
    ours: Callable[[Tensor, Tensor], Tensor], theirs: Callable[[Tensor, float], Tensor], factors: list[float]
) -> None:
    images = noise(len(factors), 24, 20)
    images[:, :, :4] = images[:, :1, :4]  # greys
    images[:, :2, 4:8] = 1.0  # two channels alike, and at the end of the range
    images[:, 1:, 8:12] = 0.0
    images[:, :, 12:16] = images[:, :1, 12:16].round()  # black and white
    expected = torch.stack([theirs(image, factor) for image, factor in zip(images, factors, strict=True)])
    torch.testing.assert_close(ours(images, torch.tensor(factors).view(-1, 1, 1, 1)), expected, rtol=0, atol=1e-5)


def test_the_jitter_is_torchvisions_in_distribution() -> None:
    image = torch.tensor([0.5, 0.4, 0.7]).view(3, 1, 1) * torch.linspace(0.5, 1.2, 64).view(1, 8, 8)
    ours = color_jitter(image.expand(3000, -1, -1, -1), 0.2, 0.1, 0.05, 0.05)
    theirs = torch.stack([transforms.ColorJitter(0.2, 0.1, 0.05, 0.05)(image) for _ in range(1500)])
    for statistic in (
        lambda x: x.mean((1, 2, 3)),
        lambda x: x.std((1, 2, 3)),
        lambda x: (x[:, 0] - x[:, 1]).mean((1, 2)),
        lambda x: (x[:, 2] - x[:, 1]).mean((1, 2)),
    ):
        assert_alike(statistic(ours), statistic(theirs))


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_factors_are_uniform_over_their_range(name: str) -> None:
    # A mid-grey with a little colour, so that nothing is clamped and the factor can be read off.
    image = torch.tensor([[0.3, 0.5], [0.4, 0.5], [0.4, 0.5]]).view(1, 3, 1, 2).expand(4000, -1, -1, -1)
    jittered = color_jitter(image, **{name: 0.1})
    assert not torch.equal(jittered, image)
    if name == "hue":  # cyan: green and blue part at six times the chroma a turn
        shift = (jittered[:, 2, 0, 0] - jittered[:, 1, 0, 0]) / 0.1 / 6
    else:
        base = {"brightness": 0.0, "contrast": None, "saturation": None}[name]
        grey = 0.2989 * 0.3 + 0.701 * 0.4
        base = base if base is not None else (grey + 0.9999 * 0.5) / 2 if name == "contrast" else grey
        shift = (jittered[:, 0, 0, 0] - base) / (0.3 - base) - 1
    assert stats.kstest(shift.double().numpy(), "uniform", (-0.1, 0.2)).pvalue > 1e-4


def test_the_four_operations_come_in_every_order_equally_often(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each image keeps the record of its operations in base 4, in a pixel of its own.
    for digit, name in enumerate(["brightness", "contrast", "saturation", "hue"]):

        def record(images: Tensor, _: Tensor, digit: int = digit) -> Tensor:
            return 4 * images + digit

        monkeypatch.setattr(augment, f"adjust_{name}", record)
    records = color_jitter(torch.zeros(4800, 1, 1, 1), 0.1, 0.1, 0.1, 0.1).flatten().int()
    _, counts = records.unique(return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts.numpy()).pvalue > 1e-4


@pytest.mark.parametrize("off", ["saturation", "hue"])
def test_an_operation_whose_range_is_zero_does_not_run(off: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(images: Tensor, factors: Tensor) -> Tensor:
        raise AssertionError

    monkeypatch.setattr(augment, f"adjust_{off}", refuse)
    color_jitter(noise(8), brightness=0.05, contrast=0.05)
    assert torch.equal(color_jitter(noise(8)), noise(8))


def test_the_boxes_are_torchvisions_in_distribution() -> None:
    ours = crop_boxes(3000, 96, 96, (0.8, 1.0), (0.8, 1.2))
    image = torch.empty(3, 96, 96)
    drawn = [transforms.RandomResizedCrop.get_params(image, [0.8, 1.0], [0.8, 1.2]) for _ in range(3000)]
    top, left, height, width = (torch.tensor(values) for values in zip(*drawn, strict=True))
    for column, theirs in zip(ours.T, (left, top, width, height), strict=True):
        assert_alike(column, theirs)
    assert_alike(ours[:, 2] * ours[:, 3], width * height)
    assert_alike(ours[:, 2] / ours[:, 3], width / height)
    # Where they lie within the room that they leave.
    room = (97 - ours[:, 2:]).flatten()
    assert ((ours[:, :2].flatten() >= 0) & (ours[:, :2].flatten() < room)).all()
    assert float((ours[:, :2].flatten() / (room - 1).clamp(min=1))[room > 1].mean()) == pytest.approx(0.5, abs=0.02)


def test_a_box_that_never_fits_is_the_whole_image() -> None:
    assert crop_boxes(4, 96, 96, (1.5, 2.0), (0.8, 1.2)).tolist() == [[0, 0, 96, 96]] * 4


def test_a_box_is_enlarged_as_pillow_does() -> None:
    images = smooth(8)
    boxes = torch.cat([crop_boxes(6, 96, 96, (0.8, 1.0), (0.8, 1.2)), torch.tensor([[0, 0, 96, 96], [20, 3, 48, 60]])])

    def resize(image: object, number: int) -> object:
        left, top, width, height = boxes[number].int().tolist()
        return tv.resized_crop(image, top, left, height, width, [96, 96])

    expected = through_pillow(images, resize)
    torch.testing.assert_close(augment.resize_boxes(images, boxes), expected, rtol=0, atol=1.01 / 255)


def test_a_resized_crop_takes_its_boxes_from_the_ranges() -> None:
    source = augment.resized_crop(marked(600), (0.8, 1.0), (0.8, 1.2))
    assert float(source[:, 2].min()) > 0.999  # nothing black: boxes lie within the image
    # The middle is enlarged evenly: a step there is the box's side over the image's.
    sides = [(source[:, 0, 48, 60] - source[:, 0, 48, 36]) * 4, (source[:, 1, 60, 48] - source[:, 1, 36, 48]) * 4]
    area, ratio = sides[0] * sides[1], sides[0] / sides[1]
    boxes = crop_boxes(3000, 96, 96, (0.8, 1.0), (0.8, 1.2))[:, 2:] / 96
    assert_alike(area, boxes.prod(1))
    assert_alike(ratio, boxes[:, 0] / boxes[:, 1])


def test_half_of_the_images_are_flipped() -> None:
    images = marked(4000)[..., ::12, ::12]
    flipped = augment.flip(images)
    mirrored = (flipped == images.flip(-1)).flatten(1).all(1)
    assert ((flipped == images).flatten(1).all(1) ^ mirrored).all()
    assert float(mirrored.double().mean()) == pytest.approx(0.5, abs=FAR * 0.5 / 4000**0.5)


def test_the_padded_crop_moves_by_each_offset_equally_often_and_is_black_outside() -> None:
    count = 8100
    image = torch.zeros(count, 1, 12, 12)
    image[:, :, 6, 5] = 1
    moved = augment.crop(image, padding=4)
    assert moved.shape == image.shape
    places = moved.flatten(1).argmax(1)
    _, counts = places.unique(return_counts=True)
    assert len(counts) == 81
    assert stats.chisquare(counts.numpy()).pvalue > 1e-4
    rows, columns = places // 12, places % 12
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 10, 1, 9)
    full = augment.crop(torch.ones(50, 3, 12, 12), padding=4)
    assert set(full.sum((1, 2, 3)).div(3).int().tolist()) <= {a * b for a in range(8, 13) for b in range(8, 13)}


def test_a_rotation_is_pillows() -> None:
    images, degrees = smooth(8), torch.tensor([-10.0, -3.3, -0.4, 0.0, 0.7, 5.0, 9.1, 90.0])
    expected = through_pillow(images, lambda image, number: tv.rotate(image, float(degrees[number])))
    wrong = ((augment.rotate(images, degrees) - expected).abs() > 1e-6).float().mean()
    assert float(wrong) < 1e-3  # pixels on the edge between two, which Pillow's fixed point decides otherwise


def test_a_rotation_keeps_its_angle_on_images_that_are_not_square() -> None:
    images, degrees = smooth(4)[:, :, :40, :72], torch.tensor([-10.0, 2.0, 33.0, 80.0])
    expected = through_pillow(images, lambda image, number: tv.rotate(image, float(degrees[number])))
    assert float(((augment.rotate(images, degrees) - expected).abs() > 1e-6).float().mean()) < 1e-3


def test_every_image_is_rotated_by_an_angle_uniform_over_the_range() -> None:
    rotated = augment.rotation(marked(1500), 10.0)
    # Along the middle row the source's row falls or rises with the sine of the angle, in whole pixels.
    sines = (rotated[:, 1, 48, 4] - rotated[:, 1, 48, 91]) * 96 / 87
    angles = sines.clamp(-1, 1).asin().rad2deg().double().numpy()
    assert np.abs(angles).max() < 10.7
    jitter = np.random.default_rng(0).uniform(-0.33, 0.33, len(angles))  # half a pixel over the row
    assert stats.kstest(angles + jitter, "uniform", (-10, 20)).pvalue > 1e-4


def test_a_projection_is_pillows() -> None:
    images, corners = smooth(8), torch.tensor([[0, 0], [95, 0], [95, 95], [0, 95]])
    inwards = torch.randint(0, 9, (8, 4, 2), generator=torch.Generator().manual_seed(0))
    moved = corners + inwards * torch.tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    bilinear = tv.InterpolationMode.BILINEAR

    def project(image: object, number: int) -> object:
        return tv.perspective(image, corners.tolist(), moved[number].tolist(), bilinear, [0, 0, 0])

    ours, expected = augment.project(images, corners, moved), through_pillow(images, project)
    wrong = ((ours - expected).abs() > 2.01 / 255).float().mean()
    assert float(wrong) < 5e-4  # pixels on the black border's edge
    assert float((ours - expected).abs().median()) < 1 / 255


def test_the_corners_move_as_torchvisions_and_for_one_image_in_five(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Tensor, Tensor]] = []

    def record(images: Tensor, corners: Tensor, moved: Tensor) -> Tensor:
        calls.append((corners, moved))
        return images + 1

    monkeypatch.setattr(augment, "project", record)
    count = 10_000
    changed = augment.perspective(torch.zeros(count, 1, 96, 96)[..., :1].expand(-1, -1, -1, 96), 0.1, 0.2)
    chosen = changed[:, 0, 0, 0].bool()
    assert float(chosen.double().mean()) == pytest.approx(0.2, abs=FAR * 0.4 / count**0.5)
    ((corners, moved),) = calls
    assert len(moved) == chosen.sum()
    drawn = [transforms.RandomPerspective.get_params(96, 96, 0.1) for _ in range(len(moved))]
    assert corners.tolist() == drawn[0][0]
    theirs = torch.tensor([ends for _, ends in drawn])
    for corner in range(4):
        for axis in range(2):
            ours = moved[:, corner, axis]
            assert_alike(ours, theirs[:, corner, axis])
            assert ours.unique().tolist() == theirs[:, corner, axis].unique().tolist()
    assert abs(float(torch.corrcoef(moved.flatten(1).T.double()).fill_diagonal_(0).abs().max())) < 0.1


def test_images_that_are_not_chosen_keep_every_value() -> None:
    images = noise(40)
    projected = augment.perspective(images, 0.5, 0.3)
    same = (projected == images).flatten(1).all(1)
    assert 15 < int(same.sum()) < 40
    assert torch.equal(augment.perspective(images, 0.5, 0.0), images)


def test_the_whole_is_torchvisions_on_pillow_in_distribution() -> None:
    # As the released code composed it (switch 10); what each image comes to is compared by what survives all steps.
    released = transforms.Compose(
        [
            transforms.RandomResizedCrop(96, scale=(0.8, 1.0), ratio=(0.8, 1.2)),
            transforms.RandomHorizontalFlip(0.5),
            transforms.ColorJitter(0.2, 0.1, 0.05, 0.05),
            transforms.RandomRotation(10),
            transforms.RandomPerspective(0.1, 0.2),
        ]
    )
    image = smooth(1)
    ours = downstream_augmentation("high")
    assert ours is not None
    with seeded("whole"):
        first = ours(image.expand(800, -1, -1, -1))
        second = through_pillow(image.expand(800, -1, -1, -1), lambda pillow, _: released(pillow))
    for statistic in (
        lambda x: x.mean((1, 2, 3)),
        lambda x: x.std((1, 2, 3)),
        lambda x: (x.amax(1) < 0.02).double().mean((1, 2)),  # black corners
        lambda x: x[..., :40].mean((1, 2, 3)) - x[..., 56:].mean((1, 2, 3)),
        lambda x: x[:, :, :40].mean((1, 2, 3)) - x[:, :, 56:].mean((1, 2, 3)),
        lambda x: (x[:, 0] - x[:, 2]).mean((1, 2)),
        lambda x: x.diff(dim=3).abs().mean((1, 2, 3)),  # sharpness
    ):
        assert_alike(statistic(first), statistic(second))
