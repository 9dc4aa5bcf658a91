"""The PSE objective has the kernel of switches 1, 2 and 3."""

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from pse_repro import PSELoss
from pse_repro.config.protocol import Switches, load_protocol
from pse_repro.kernels import PADDINGS
from pse_repro.objectives import OBJECTIVES
from pse_repro.objectives.joint import JointPSE
from pse_repro.objectives.pse import PSE
from pse_repro.objectives.shared.kernel import kernel_criterion
from tests.support.tiny import setup

RELEASED = load_protocol("as-released").switches
DESCRIBED = load_protocol("as-described").switches


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 32, 32, generator=generator), torch.rand(2, 3, 32, 32, generator=generator)


def switched(**values: str) -> Switches:
    """Return the released switches with some changed."""
    return dataclasses.replace(RELEASED, **values)  # type: ignore[arg-type]


def pse_criterion(sigma: float | None, switches: Switches) -> PSELoss:
    return kernel_criterion(PSELoss, sigma, switches)


@pytest.mark.parametrize("sigma", [1.0, 3.0, 6.0])
def test_as_released_is_the_released_loss(sigma: float, pair: tuple[Tensor, Tensor]) -> None:
    expected = PSELoss.as_released(int(sigma))(*pair)
    torch.testing.assert_close(pse_criterion(sigma, RELEASED)(*pair), expected, rtol=0, atol=0)


@pytest.mark.parametrize("sigma", [0.0, 2.5, 3.0])
def test_as_described_is_a_whole_gaussian_density(sigma: float, pair: tuple[Tensor, Tensor]) -> None:
    expected = PSELoss(sigma)(*pair)
    torch.testing.assert_close(pse_criterion(sigma, DESCRIBED)(*pair), expected, rtol=0, atol=0)


def test_switch_1_a_third_of_the_mass_is_a_ninth_of_the_loss(pair: tuple[Tensor, Tensor]) -> None:
    third, one = pse_criterion(3, RELEASED), pse_criterion(3, switched(kernel_mass="one"))
    assert float(one(*pair) / third(*pair)) == pytest.approx(9, rel=1e-6)
    for objective, mass in ((third, 1 / 3), (one, 1.0)):
        assert float(objective.weights.sum()) ** 2 == pytest.approx(mass)


def test_switch_2_the_support_is_one_sigma_or_four() -> None:
    assert len(pse_criterion(3, RELEASED).weights) == 2 * 3 + 1
    assert len(pse_criterion(3, switched(kernel_support="four-sigma")).weights) == 2 * 12 + 1


@pytest.mark.parametrize("borders", PADDINGS)
def test_switch_3_the_borders_are_passed_on(borders: str, pair: tuple[Tensor, Tensor]) -> None:
    expected = PSELoss(3, radius=3, mass=1 / 3, padding=borders)(*pair)
    assert torch.equal(pse_criterion(3, switched(borders=borders))(*pair), expected)


def test_no_other_switch_changes_the_loss(pair: tuple[Tensor, Tensor]) -> None:
    kernel = {key: getattr(RELEASED, key) for key in ("kernel_mass", "kernel_support", "borders")}
    other = dataclasses.replace(DESCRIBED, **kernel)
    assert torch.equal(pse_criterion(3, other)(*pair), pse_criterion(3, RELEASED)(*pair))


@pytest.mark.parametrize(
    ("sigma", "message"),
    [
        (None, "sigma is missing; expected 0 to 96 pixels, an image's width"),
        (-1.0, "sigma is -1; expected 0 to 96 pixels, an image's width"),
        (math.nan, "sigma is nan; expected 0 to 96 pixels"),
        (math.inf, "sigma is inf; expected 0 to 96 pixels"),
    ],
)
def test_a_sigma_that_is_missing_negative_or_not_finite_is_refused(sigma: float | None, message: str) -> None:
    for refuse in (
        PSE.check,
        lambda value: pse_criterion(value, RELEASED),
        lambda value: pse_criterion(value, DESCRIBED),
    ):
        with pytest.raises(ValueError, match=message):
            refuse(sigma)


@pytest.mark.parametrize("sigma", [0.0, 0.5, 2.5])
def test_a_support_of_one_sigma_takes_whole_numbers_from_one(sigma: float) -> None:
    PSE.check(sigma)
    PSE.check(sigma, DESCRIBED)
    for refuse in (pse_criterion, PSE.check, JointPSE.check):
        with pytest.raises(ValueError, match=f"sigma is {sigma:g}; kernel_support one-sigma takes whole numbers of"):
            refuse(sigma, RELEASED)


def test_a_kernel_wider_than_the_image_is_refused_where_borders_reflect() -> None:
    reflect = dataclasses.replace(DESCRIBED, borders="reflect")
    PSE.check(23.75, reflect)  # a radius of 95
    with pytest.raises(ValueError, match="radius is 96 and the image 96 pixels; reflect needs a radius below"):
        PSE.check(24.0, reflect)


def test_the_objective_has_the_criterion_of_its_sigma_and_switches(pair: tuple[Tensor, Tensor]) -> None:
    objective = OBJECTIVES["pse"].build(setup(sigma=3.0))
    assert isinstance(objective, PSE)
    assert torch.equal(objective.criterion(*pair), pse_criterion(3, RELEASED)(*pair))
    with pytest.raises(ValueError, match="sigma is missing"):
        OBJECTIVES["pse"].build(setup())
