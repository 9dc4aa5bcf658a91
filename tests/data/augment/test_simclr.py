"""The steps of contrastive pre-training's augmentation against torchvision's on single images."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional as tv

from pse_repro.data.augment.simclr import Blur, GreyScale, Sometimes, distortion
from pse_repro.data.augment.steps import Flip
from pse_repro.seeding import seeded


def noise(count: int) -> Tensor:
    return torch.rand(count, 3, 96, 96, generator=torch.Generator().manual_seed(0))


def test_blur_is_torchvisions() -> None:
    sigmas = torch.tensor([[0.1], [0.4], [1.0], [2.0]])
    images = noise(4)
    wanted = [tv.gaussian_blur(image, [9, 9], [float(sigma)] * 2) for image, sigma in zip(images, sigmas, strict=True)]
    torch.testing.assert_close(Blur()(images, sigmas), torch.stack(wanted), atol=2e-6, rtol=0)


def test_autocast_changes_nothing() -> None:
    distort, images = distortion(), noise(8)
    with seeded("a"):
        plain = distort(images)
    with seeded("a"), torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(distort(images), plain, atol=0, rtol=0)


def test_blur_draws_sigma_uniformly() -> None:
    with seeded("sigma"):
        sigmas = Blur(0.1, 2.0).draw(4000)[:, 0]
    assert float(sigmas.min()) >= 0.1
    assert float(sigmas.max()) <= 2.0
    assert float(sigmas.mean()) == pytest.approx(1.05, abs=4 * 1.9 / (12 * 4000) ** 0.5)


def test_grey_scale_is_torchvisions() -> None:
    images, step = noise(3), GreyScale()
    wanted = tv.rgb_to_grayscale(images, num_output_channels=3)  # its weight of red is 0.2989
    torch.testing.assert_close(step(images, step.draw(3)), wanted, atol=2e-4, rtol=0)


def test_sometimes_does_its_step_to_the_chosen_images_alone() -> None:
    class Darken:
        def draw(self, count: int) -> Tensor:
            return torch.full((count, 1), 0.5)

        def __call__(self, images_NCHW: Tensor, drawn_NP: Tensor) -> Tensor:
            return images_NCHW * drawn_NP[..., None, None]

    images, chosen = noise(5), torch.tensor([1.0, 0, 0, 1, 0])
    changed = Sometimes(Darken(), 0.4)(images.clone(), torch.stack([chosen, torch.full((5,), 0.5)], 1))
    torch.testing.assert_close(changed, images * (1 - 0.5 * chosen[:, None, None, None]))


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_sometimes_chooses_as_often_as_it_should(probability: float) -> None:
    with seeded("share"):
        drawn = Sometimes(Flip(), probability).draw(4000)
    assert drawn.shape == (4000, 2)
    assert float(drawn[:, 0].mean()) == pytest.approx(probability, abs=4 * (0.25 / 4000) ** 0.5 * (probability % 1 > 0))


@pytest.mark.parametrize(
    "augment", [lambda: distortion(), lambda: distortion(0.6, blur=0), lambda: distortion(strength=1)]
)
def test_distorted_images_are_images_the_same_for_a_seed(augment: Callable[[], Callable[[Tensor], Tensor]]) -> None:
    images, distort = noise(40).contiguous(memory_format=torch.channels_last), augment()
    before = images.clone()
    with seeded("a"):
        first = distort(images)
    with seeded("a"):
        second = distort(images)
    assert torch.equal(first, second)
    assert torch.equal(images, before)
    assert first.shape == images.shape
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1 + 1e-6
    assert not torch.allclose(first, images)


def test_a_fifth_of_the_images_loses_its_colours() -> None:
    with seeded("grey"):
        distorted = distortion()(noise(400))
    is_grey = (distorted.amax(1) - distorted.amin(1)).flatten(1).amax(1) < 1e-5
    assert float(is_grey.float().mean()) == pytest.approx(0.2, abs=4 * (0.16 / 400) ** 0.5)
