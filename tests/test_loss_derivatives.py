"""PSE's fast derivatives equal those of its definition, by autograd and by torch.func."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, func

from pse_repro import PSELoss, pse_loss
from pse_repro.kernels import PADDINGS, kernel_1d
from tests.support.dense_loss import REDUCE, grad_of, images, reference_map


@pytest.mark.parametrize("shape", [(2, 3, 7, 10), (3, 7, 10)])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_fast_gradient_is_autograds_through_the_loss_map(
    reduction: str, padding: str, shape: tuple[int, ...]
) -> None:
    first, second = images(*shape).requires_grad_(), images(*shape, seed=1).requires_grad_()
    criterion = PSELoss(1.4, padding=padding, reduction=reduction)
    slow = REDUCE[reduction](criterion.loss_map(first, second).square())
    for argument in (first, second):
        fast = grad_of(3 * criterion(first, second), argument)
        torch.testing.assert_close(fast, grad_of(3 * slow, argument), rtol=1e-11, atol=1e-15)


def test_the_gradient_is_the_formula_of_the_slides_loss() -> None:
    first, second = images(2, 3, 9, 8).requires_grad_(), images(2, 3, 9, 8, seed=1)
    weights = kernel_1d("gaussian", 1.3, None, 1.0)
    residual = (first - second).abs().detach()
    # With zero borders a symmetric kernel's transpose K^T is K itself.
    smoothed_twice = reference_map(reference_map(residual, weights, "zeros"), weights, "zeros")
    expected = 2 / residual.numel() * (first - second).sign() * smoothed_twice
    torch.testing.assert_close(grad_of(pse_loss(first, second, 1.3), first), expected)


def test_the_gradient_is_zero_where_nothing_differs() -> None:
    first = images(1, 3, 6, 6).requires_grad_()
    gradient = grad_of(pse_loss(first, first.detach().clone(), 2.0), first)
    assert torch.equal(gradient, torch.zeros_like(gradient))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_second_derivative_is_autograds_through_the_loss_map(reduction: str) -> None:
    first, second = images(1, 2, 3, 4), images(1, 2, 3, 4, seed=1)
    criterion = PSELoss(1.0, reduction=reduction)
    fast, slow = (
        torch.autograd.functional.hessian(loss, first)
        for loss in (
            lambda image: criterion(image, second) ** 2,
            lambda image: REDUCE[reduction](criterion.loss_map(image, second).square()) ** 2,
        )
    )
    assert float(slow.abs().sum()) > 0
    torch.testing.assert_close(fast, slow)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")  # PyTorch's own, in its forward mode
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(
    "transform",
    [
        func.grad,
        func.jacrev,
        func.jacfwd,
        func.hessian,
        lambda loss: func.jacrev(func.jacrev(loss)),
        lambda loss: func.jacrev(func.hessian(lambda *images: loss(*images) ** 2)),
        lambda loss: lambda *images: func.jvp(loss, images, (torch.ones_like(images[0]), torch.zeros_like(images[1]))),
        func.vmap,
        lambda loss: lambda first, second: func.vmap(loss, in_dims=(0, None))(first, second[0]),
        lambda loss: func.vmap(func.hessian(loss)),
    ],
    ids=[
        "grad",
        "jacrev",
        "jacfwd",
        "hessian",
        "jacrev twice",
        "third",
        "jvp",
        "vmap",
        "vmap of one",
        "vmap of hessian",
    ],
)
def test_what_torch_func_transforms_equals_the_loss_map_transformed(
    transform: Callable[..., Callable[..., Tensor]], reduction: str
) -> None:
    first, second = images(2, 1, 3, 4), images(2, 1, 3, 4, seed=1)
    criterion = PSELoss(1.0, reduction=reduction)
    found = transform(criterion)(first, second)
    slow = transform(lambda *images: REDUCE[reduction](criterion.loss_map(*images).square()))(first, second)
    torch.testing.assert_close(found, slow, rtol=1e-10, atol=1e-15)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")
def test_derivatives_forward_and_backward_are_those_of_finite_differences() -> None:
    first, second = images(1, 1, 3, 4).requires_grad_(), images(1, 1, 3, 4, seed=1)
    criterion, once, twice = PSELoss(1.0), torch.autograd.gradcheck, torch.autograd.gradgradcheck
    assert once(criterion, (first, second), check_forward_ad=True, check_batched_grad=True)
    assert twice(criterion, (first, second), check_fwd_over_rev=True)


@pytest.mark.parametrize("use", [copy.copy, copy.deepcopy], ids=["copy", "deep copy"])
def test_a_criterion_first_used_by_torch_func_can_be_used_and_copied(use: Callable[[PSELoss], PSELoss]) -> None:
    first, second = images(1, 2, 5, 6), images(1, 2, 5, 6, seed=1)
    criterion = PSELoss(1.0)
    func.grad(criterion)(first, second)
    for same in (criterion, use(criterion)):
        assert torch.equal(same(first, second), pse_loss(first, second, 1.0))
