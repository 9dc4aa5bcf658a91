"""Each colour operation against torchvision's and kornia's on single images, in float64; invariants of hue."""

import colorsys
import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia import enhance
from scipy import stats
from torch import Tensor
from torchvision.transforms import functional as tv

from pse_repro.data.augment.colour import GREY, TOWARDS, ColorJitter, blend_, grey_levels, shift_hue
from pse_repro.seeding import seeded
from tests.support.pillow_steps import ADJUST, UNCHANGED, jittered, operations

HIGH = {"brightness": 0.2, "contrast": 0.1, "saturation": 0.05, "hue": 0.05}
seeds = st.integers(0, 2**32)
turns = st.floats(-0.5, 0.5)


def noise(count: int, seed: int = 0) -> Tensor:
    """Return images (N, 3, 12, 10) in [0, 1], float64: noise with grey, black, white and two equal channels in it."""
    images = torch.rand(count, 3, 12, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    images[:, :, 0] = images[:, :1, 0]
    images[:, :, 1, :5], images[:, :, 1, 5:] = 0, 1
    images[:, 1, 2], images[:, 2, 3], images[:, 2, 4] = images[:, 0, 2], images[:, 0, 3], images[:, 1, 4]
    images[:, :2, 5] = 1
    return images


def parts(name: str, factors: Tensor) -> Tensor:
    """Return the weights (N, 3) of the operation's blend for each factor."""
    return torch.cat([factors[:, None], (1 - factors[:, None]) * torch.tensor(TOWARDS[name])], 1).to(factors)


@pytest.mark.parametrize("name", TOWARDS)
def test_a_blend_is_torchvisions_operation(name: str) -> None:
    factors = torch.tensor([0.0, 0.7, 1.0, 1.3, 3.0], dtype=torch.float64)
    images = noise(5)
    wanted = [ADJUST[name](image, float(factor)) for image, factor in zip(images, factors, strict=True)]
    # torchvision's weight of red is 0.2989
    torch.testing.assert_close(blend_(images, parts(name, factors)), torch.stack(wanted), atol=3e-4, rtol=0)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("brightness", enhance.adjust_brightness_accumulative),
        ("contrast", enhance.adjust_contrast_with_mean_subtraction),
        ("saturation", enhance.adjust_saturation_with_gray_subtraction),
    ],
)
def test_a_blend_is_kornias_operation(name: str, theirs: Callable[[Tensor, Tensor], Tensor]) -> None:
    factors = torch.tensor([0.0, 0.7, 1.0, 1.3], dtype=torch.float64)
    wanted = theirs(noise(4), factors).clamp(0, 1)
    torch.testing.assert_close(blend_(noise(4), parts(name, factors)), wanted, atol=1e-7, rtol=0)


def test_different_operations_share_a_blend() -> None:
    factors = torch.tensor([0.8, 1.1, 1.4], dtype=torch.float64)
    mixed = torch.cat([parts(name, factor[None]) for name, factor in zip(TOWARDS, factors, strict=True)])
    apart = [blend_(noise(3)[n : n + 1], mixed[n : n + 1]) for n in range(3)]
    torch.testing.assert_close(blend_(noise(3), mixed), torch.cat(apart), atol=0, rtol=0)


def test_a_blend_without_effect_changes_nothing() -> None:
    assert torch.equal(blend_(noise(2), torch.tensor([UNCHANGED, UNCHANGED])), noise(2))


def test_grey_levels_of_grey_are_its_own() -> None:
    assert math.fsum(GREY) == pytest.approx(1)
    grey = torch.linspace(0, 1, 5).expand(1, 3, 1, 5)
    torch.testing.assert_close(grey_levels(grey), grey[:, 0])


@settings(deadline=None)
@given(seed=seeds, shift=turns)
def test_hue_is_torchvisions_and_kornias(seed: int, shift: float) -> None:
    shifted = shift_hue(noise(1, seed), torch.tensor([shift], dtype=torch.float64))
    torch.testing.assert_close(shifted, tv.adjust_hue(noise(1, seed), shift), atol=1e-6, rtol=0)
    kornias = enhance.adjust_hue(noise(1, seed), torch.tensor([2 * math.pi * shift], dtype=torch.float64))
    torch.testing.assert_close(shifted, kornias, atol=1e-6, rtol=0)


@settings(deadline=None)
@given(colour=st.tuples(*[st.floats(0, 1, allow_subnormal=False)] * 3), shift=st.floats(-3, 3))
def test_hue_is_the_standard_librarys(colour: tuple[float, float, float], shift: float) -> None:
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    wanted = torch.tensor(colorsys.hsv_to_rgb((hue + shift) % 1, saturation, value), dtype=torch.float64)
    image = torch.tensor(colour, dtype=torch.float64).reshape(1, 3, 1, 1)
    shifted = shift_hue(image, torch.tensor([shift], dtype=torch.float64))
    torch.testing.assert_close(shifted.flatten(), wanted, atol=1e-9, rtol=0)


def test_hue_in_single_precision_is_as_in_double() -> None:
    shifts = torch.linspace(-0.5, 0.5, 8, dtype=torch.float64)
    images = noise(8)
    single = shift_hue(images.float(), shifts.float())
    assert single.dtype == torch.float32
    # The hue of nearly grey colours is ill-conditioned, but hardly affects the result.
    torch.testing.assert_close(single.double(), shift_hue(images, shifts), atol=5e-6, rtol=0)


@settings(deadline=None)
@given(seed=seeds, whole=st.integers(-2, 2))
def test_whole_turns_are_the_identity(seed: int, whole: int) -> None:
    images = noise(2, seed).float()
    torch.testing.assert_close(shift_hue(images, torch.full((2,), float(whole))), images, atol=3e-6, rtol=0)


@settings(deadline=None)
@given(seed=seeds, there=turns)
def test_back_is_there_undone_and_thirds_exchange_the_channels(seed: int, there: float) -> None:
    images, shift = noise(1, seed), torch.tensor([there], dtype=torch.float64)
    torch.testing.assert_close(shift_hue(shift_hue(images, shift), -shift), images, atol=1e-9, rtol=0)
    third = torch.tensor([1 / 3], dtype=torch.float64)
    torch.testing.assert_close(shift_hue(images, third), images.roll(1, 1), atol=1e-9, rtol=0)


@settings(deadline=None)
@given(seed=seeds, shift=turns)
def test_hue_keeps_grey_value_and_range(seed: int, shift: float) -> None:
    images = noise(1, seed).float()
    shifted = shift_hue(images, torch.tensor([shift]))
    torch.testing.assert_close(shifted[:, :, :2], images[:, :, :2], atol=1e-7, rtol=0)  # grey, black and white
    torch.testing.assert_close(shifted.amax(1), images.amax(1), atol=1e-6, rtol=0)
    torch.testing.assert_close(shifted.amin(1), images.amin(1), atol=1e-6, rtol=0)
    assert shifted.min() >= 0
    assert shifted.max() <= 1


def test_the_jitter_is_torchvisions_operations_one_by_one() -> None:
    jitter, images = ColorJitter(**HIGH), noise(48)
    with seeded("jitter"):
        drawn = jitter.draw(48).double()
    wanted = [jittered(image, jitter, row) for image, row in zip(noise(48), drawn, strict=True)]
    torch.testing.assert_close(jitter(images, drawn), torch.stack(wanted), atol=1e-4, rtol=0)


def test_the_four_operations_come_in_every_order_equally_often() -> None:
    with seeded("order"):
        jitter = ColorJitter(**HIGH)
        orders = [tuple(name for name, _ in operations(jitter, row)) for row in jitter.draw(4800)]
    counts = [orders.count(each) for each in itertools.permutations(HIGH)]
    assert sum(counts) == 4800
    assert stats.chisquare(counts).pvalue > 1e-4


def test_factors_and_shifts_are_uniform_over_their_ranges() -> None:
    with seeded("factors"):
        drawn = ColorJitter(**HIGH).draw(4000)
        bright = ColorJitter(brightness=0.2).draw(4000)
    assert stats.kstest(drawn[:, 9].numpy(), stats.uniform(-0.05, 0.1).cdf).pvalue > 1e-4
    assert stats.kstest(bright[:, 0].numpy(), stats.uniform(0.8, 0.4).cdf).pvalue > 1e-4
    blends = drawn[:, :9].reshape(-1, 3)
    for column, reach in ((1, 0.05), (2, 0.1)):  # 1 - factor of saturation and of contrast
        missing = blends[blends[:, column] != 0, column]
        assert stats.kstest(missing.numpy(), stats.uniform(-reach, 2 * reach).cdf).pvalue > 1e-4


def test_an_operation_whose_range_is_zero_is_left_out() -> None:
    assert ColorJitter(brightness=0.05, contrast=0.05).draw(7).shape == (7, 6)
    assert ColorJitter(hue=0.1).draw(7).shape == (7, 2)
    assert ColorJitter().draw(7).shape == (7, 0)
    assert torch.equal(ColorJitter()(noise(7), torch.empty(7, 0)), noise(7))
