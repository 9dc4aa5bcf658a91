"""Losses of single pixels against NumPy, in every reduction and precision."""

import numpy as np
import pytest
import torch

from pse_repro.losses import L1Loss, l1_loss
from pse_repro.residual import REDUCTIONS
from tests.support.dense_loss import images


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (3, 5, 7)])
def test_l1_is_the_mean_modulus(shape: tuple[int, ...]) -> None:
    input, target = images(*shape), images(*shape, seed=1)
    modulus = np.abs(input.numpy() - target.numpy())
    for reduction, expected in (("mean", modulus.mean()), ("sum", modulus.sum()), ("none", modulus)):
        np.testing.assert_allclose(l1_loss(input, target, reduction=reduction).numpy(), expected, rtol=1e-12)
    assert torch.equal(L1Loss()(input, target), l1_loss(input, target))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_gradient_is_that_of_finite_differences(reduction: str) -> None:
    target = images(2, 4, 4)
    away = target + torch.where(images(2, 4, 4, seed=1) < 0.5, -0.3, 0.4).double()  # from the kink of |.|
    assert torch.autograd.gradcheck(lambda image: l1_loss(image, target, reduction=reduction), away.requires_grad_())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precisions_and_autocast_are_computed_in_float32(dtype: torch.dtype) -> None:
    input, target = images(2, 3, 24, 24, dtype=dtype), images(2, 3, 24, 24, seed=1, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        loss = l1_loss(input, target)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float((input.double() - target.double()).abs().mean()), rel=1e-5)


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="reduction is 'all'; expected one of mean, sum, none"):
        L1Loss(reduction="all")
    with pytest.raises(ValueError, match="expected equal shapes"):
        l1_loss(torch.zeros(3, 4, 4), torch.zeros(3, 4, 5))
    assert repr(L1Loss()) == "L1Loss(reduction=mean)"
