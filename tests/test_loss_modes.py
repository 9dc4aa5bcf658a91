"""PSE in low precision, under autocast, in inference mode, compiled and exported, and on any number of threads."""

import pytest
import torch
from torch import Tensor, func
from torch.nn import functional as F

from pse_repro import PSELoss, pse_loss
from pse_repro.residual import REDUCTIONS
from tests.support.dense_loss import grad_of, images


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_criterion_first_used_in_inference_mode_can_train(reduction: str) -> None:
    first, second = images(1, 2, 5, 6).requires_grad_(), images(1, 2, 5, 6, seed=1)
    criterion, fresh = PSELoss(1.0, reduction=reduction), PSELoss(1.0, reduction=reduction)
    with torch.inference_mode():
        criterion(first, second)
        criterion.loss_map(first, second)
    assert torch.equal(grad_of(criterion(first, second), first), grad_of(fresh(first, second), first))
    density, expected = criterion.loss_map(first, second), fresh.loss_map(first, second)
    assert torch.equal(grad_of(density, first), grad_of(expected, first))


@pytest.mark.parametrize("sigma", [0, 3])
@pytest.mark.parametrize("shape", [(128, 3, 96, 96), (4, 3, 1024, 1024)], ids=["the study's batch", "large"])
@pytest.mark.parametrize("constant", [True, False], ids=["constant", "random"])
def test_in_float32_the_value_is_as_exact_as_that_of_mse(constant: bool, shape: tuple[int, ...], sigma: int) -> None:
    # A sequential sum of millions of values loses up to 3 %, most if they are equal.
    first = torch.full(shape, 0.3) if constant else images(*shape, dtype=torch.float32)
    second = torch.zeros(shape)
    exact = PSELoss(sigma).loss_map(first.double(), second.double()).square().mean()
    loss = pse_loss(first, second, sigma)
    assert float(loss) == pytest.approx(float(exact), rel=1e-6)
    if sigma == 0:
        assert float(loss) == pytest.approx(float(F.mse_loss(first, second)), rel=2e-6)


def test_the_value_does_not_depend_on_the_number_of_threads() -> None:
    first, second = (images(128, 3, 96, 96, seed=seed, dtype=torch.float32) for seed in (0, 1))
    threads, found = torch.get_num_threads(), []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            found.append(float(pse_loss(first, second, 0)))
    finally:
        torch.set_num_threads(threads)
    assert found == [found[0]] * 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_half_precisions_are_computed_in_float32(reduction: str, dtype: torch.dtype) -> None:
    first, second = images(2, 3, 16, 16, dtype=dtype).requires_grad_(), images(2, 3, 16, 16, seed=1, dtype=dtype)
    loss = pse_loss(first, second, 2.0, reduction=reduction)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, pse_loss(first.float(), second.float(), 2.0, reduction=reduction), rtol=0, atol=0)
    assert grad_of(loss, first).dtype == dtype
    # With only the input in half precision, the target is not rounded.
    mixed = pse_loss(first, second.float() + 1e-5, 2.0, reduction=reduction)
    assert not torch.equal(mixed, loss)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_autocast_does_not_lower_the_precision(reduction: str) -> None:
    first, second = (images(2, 3, 16, 16, seed=seed, dtype=torch.float32).requires_grad_() for seed in (0, 1))
    plain = pse_loss(first, second, 2.0, reduction=reduction)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = pse_loss(first, second, 2.0, reduction=reduction)
        density = PSELoss(2.0).loss_map(first, second)
    assert density.dtype == torch.float32
    assert torch.equal(inside, plain)
    assert torch.equal(grad_of(inside, first), grad_of(plain, first))


def test_autocast_does_not_lower_the_precision_of_derivatives_computed_within_it() -> None:
    first, second = (images(2, 3, 16, 16, seed=seed, dtype=torch.float32).requires_grad_() for seed in (0, 1))

    def derivatives() -> tuple[Tensor, Tensor]:
        (once,) = torch.autograd.grad(pse_loss(first, second, 2.0) ** 2, first, create_graph=True)
        return once.detach(), grad_of(once * second.detach(), first)

    plain = derivatives()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = derivatives()
    assert all(map(torch.equal, inside, plain))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_compiled_loss_gives_the_same_value_and_gradient(reduction: str) -> None:
    first, second = (images(2, 3, 12, 10, seed=seed).requires_grad_() for seed in (0, 1))
    plain = PSELoss(1.5, reduction=reduction)
    torch.compiler.reset()
    compiled = torch.compile(PSELoss(1.5, reduction=reduction), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(first, second), plain(first, second), rtol=1e-12, atol=0)
    gradients = [grad_of(loss(first, second), first) for loss in (compiled, plain)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-18)


def test_a_criterion_first_used_compiled_leaves_nothing_of_the_graph_behind() -> None:
    first, second = images(1, 1, 3, 4).requires_grad_(), images(1, 1, 3, 4, seed=1)
    criterion = PSELoss(1.0)
    torch.compiler.reset()
    with torch.inference_mode():
        torch.compile(criterion, fullgraph=True, backend="aot_eager")(first, second)
    compiled = torch.compile(func.hessian(criterion), fullgraph=True, backend="aot_eager")(first, second)
    torch.testing.assert_close(compiled, func.hessian(criterion)(first, second), rtol=1e-10, atol=1e-15)
    assert torch.equal(grad_of(criterion(first, second), first), grad_of(pse_loss(first, second, 1.0), first))


def test_an_exported_loss_is_the_loss() -> None:
    first, second = images(2, 3, 12, 10), images(2, 3, 12, 10, seed=1)
    exported = torch.export.export(PSELoss(1.5), (first, second)).module()
    torch.testing.assert_close(exported(first, second), pse_loss(first, second, 1.5), rtol=1e-12, atol=0)
