"""Images whose pixels can be traced through augmentations, and comparisons of samples."""

from collections.abc import Callable

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import functional as tv

from pse_repro.data.augment import steps
from pse_repro.data.augment.steps import downstream_augmentation, pretrain_augmentation

AUGMENTATIONS: dict[str, Callable[[], steps.Augmentation | None]] = {
    "small": lambda: pretrain_augmentation("small"),
    "high": lambda: downstream_augmentation("high"),
    "higher": lambda: downstream_augmentation("higher"),
    "high without crop": lambda: downstream_augmentation("high", crop=False),
}
# Limit in standard errors: the means of two samples of one distribution exceed it once in 15,000 comparisons.
FAR = 4.0


def noise(count: int, height: int = 96, width: int = 96) -> Tensor:
    """Return images (N, 3, H, W) of noise in [0, 1]."""
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def smooth(count: int) -> Tensor:
    """Return images (N, 3, 96, 96) of a few large spots, on 8-bit levels."""
    images = torch.nn.functional.interpolate(noise(count, 6, 6), (96, 96), mode="bicubic").clamp(0, 1)
    return (images * 255).round() / 255


def through_pillow(images: Tensor, change: Callable[[object, int], object]) -> Tensor:
    """Return the images after `change(image, number)`, which gets and returns 8-bit Pillow images."""
    changed = [change(tv.to_pil_image(image), number) for number, image in enumerate(images)]
    return torch.stack([tv.pil_to_tensor(image) for image in changed]) / 255


def marked(count: int) -> Tensor:
    """Return images (N, 3, 96, 96) that trace pixels: red is the column, green the row, blue 1 inside the image."""
    ramp = (torch.arange(96) + 0.5) / 96
    image = torch.stack([ramp.expand(96, 96), ramp[:, None].expand(96, 96), torch.ones(96, 96)])
    return image.expand(count, -1, -1, -1).clone()


def assert_alike(first: Tensor | np.ndarray, second: Tensor | np.ndarray) -> None:
    """Assert that two samples do not differ significantly in mean, deviation and distribution."""
    first, second = (np.asarray(sample, dtype=float) for sample in (first, second))
    error = np.sqrt(first.var() / len(first) + second.var() / len(second))
    assert abs(first.mean() - second.mean()) < FAR * error + 1e-6
    centred = [(sample - sample.mean()) ** 2 for sample in (first, second)]
    error = np.sqrt(sum(square.var() / len(square) for square in centred))
    assert abs(centred[0].mean() - centred[1].mean()) < FAR * error + 1e-6
    assert stats.ks_2samp(first, second).pvalue > 1e-4


def member(kind: type, name: str = "high") -> steps.Step:
    """Return the only step of this type in an augmentation."""
    augmentation = AUGMENTATIONS[name]()
    assert isinstance(augmentation, steps.Steps)
    (found,) = [step for step in augmentation.steps if isinstance(step, kind)]
    return found


def changed(step: steps.Step, images: Tensor) -> Tensor:
    """Return copies of the images with a step's random changes."""
    return step(images.clone(), step.draw(len(images)))


def slopes(images: Tensor) -> Tensor:
    """Return the slopes (N, 2, 2) of the marked column and row along x and y, fitted over each image's middle."""
    place = torch.arange(-31.5, 32) / 96
    y, x = (axis.flatten() / (place.square().sum() * 64) for axis in torch.meshgrid(place, place, indexing="ij"))
    middle = images[:, :2, 16:80, 16:80].flatten(2)
    return torch.stack([middle @ x, middle @ y], -1)


# As composed by the slides (switch 4), the released code and its earlier state (switch 10).
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
