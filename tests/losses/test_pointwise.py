"""Losses of single pixels against NumPy, in every reduction and precision."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from pse_repro.losses import CharbonnierLoss, L1Loss, charbonnier_loss, l1_loss
from pse_repro.residual import REDUCTIONS
from tests.support.dense_loss import images


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (3, 5, 7)])
def test_l1_is_the_mean_modulus(shape: tuple[int, ...]) -> None:
    input, target = images(*shape), images(*shape, seed=1)
    modulus = np.abs(input.numpy() - target.numpy())
    for reduction, expected in (("mean", modulus.mean()), ("sum", modulus.sum()), ("none", modulus)):
        np.testing.assert_allclose(l1_loss(input, target, reduction=reduction).numpy(), expected, rtol=1e-12)
    assert torch.equal(L1Loss()(input, target), l1_loss(input, target))


@pytest.mark.parametrize("epsilon", [1e-3, 0.5])
def test_charbonnier_is_the_modulus_rounded_off_at_zero(epsilon: float) -> None:
    input, target = images(2, 3, 5, 7), images(2, 3, 5, 7, seed=1)
    values = np.hypot(input.numpy() - target.numpy(), epsilon)
    for reduction, expected in (("mean", values.mean()), ("sum", values.sum()), ("none", values)):
        found = charbonnier_loss(input, target, epsilon=epsilon, reduction=reduction)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    assert 0 < float(charbonnier_loss(input, target, epsilon=epsilon) - l1_loss(input, target)) < epsilon
    image = input.requires_grad_()
    assert torch.autograd.gradcheck(lambda image: charbonnier_loss(image, target, epsilon=epsilon), image)
    (gradient,) = torch.autograd.grad(charbonnier_loss(image, image.detach(), epsilon=epsilon), image)
    assert not gradient.any()


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_gradient_is_that_of_finite_differences(reduction: str) -> None:
    target = images(2, 4, 4)
    away = target + torch.where(images(2, 4, 4, seed=1) < 0.5, -0.3, 0.4).double()  # from the kink of |.|
    assert torch.autograd.gradcheck(lambda image: l1_loss(image, target, reduction=reduction), away.requires_grad_())


@pytest.mark.parametrize("loss_of", [l1_loss, charbonnier_loss])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precisions_and_autocast_are_computed_in_float32(
    dtype: torch.dtype, loss_of: Callable[[Tensor, Tensor], Tensor]
) -> None:
    input, target = images(2, 3, 24, 24, dtype=dtype), images(2, 3, 24, 24, seed=1, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        loss = loss_of(input, target)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(float(loss_of(input.double(), target.double())), rel=1e-5)


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="reduction is 'all'; expected one of mean, sum, none"):
        L1Loss(reduction="all")
    with pytest.raises(ValueError, match="expected equal shapes"):
        l1_loss(torch.zeros(3, 4, 4), torch.zeros(3, 4, 5))
    with pytest.raises(ValueError, match="epsilon is 0; expected a number above 0"):
        CharbonnierLoss(epsilon=0)
    assert repr(L1Loss()) == "L1Loss(reduction=mean)"
