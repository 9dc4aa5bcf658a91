"""PSE equals its slow definition: pad, convolve densely in two dimensions, square, average."""

import copy
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, func
from torch.nn import functional as F

from pse_repro import PSELoss, pse_loss
from pse_repro.kernels import KERNELS, PADDINGS, kernel_1d
from pse_repro.loss import REDUCTIONS

TORCH_MODE = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}
NUMPY_MODE = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
REDUCE: dict[str, Callable[[Tensor], Tensor]] = {"mean": Tensor.mean, "sum": Tensor.sum, "none": Tensor.clone}


def images(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return noise of this shape, in [0, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def reference_map(residual: Tensor, weights: Tensor, padding: str) -> Tensor:
    """Return R * K by padding and a dense convolution with the 2-D kernel."""
    radius = len(weights) // 2
    height, width = residual.shape[-2:]
    planes = residual.reshape(-1, 1, height, width)
    if radius < min(height, width):
        padded = F.pad(planes, [radius] * 4, mode=TORCH_MODE[padding])
    else:  # PyTorch cannot pad that far
        edges = [(0, 0), (0, 0), (radius, radius), (radius, radius)]
        padded = torch.from_numpy(np.pad(planes.numpy(), edges, mode=NUMPY_MODE[padding]))  # type: ignore[call-overload]
    return F.conv2d(padded, torch.outer(weights, weights)[None, None]).reshape(residual.shape)


def grad_of(loss: Tensor, argument: Tensor) -> Tensor:
    """Return the gradient of the loss, summed, in one argument."""
    return torch.autograd.grad(loss.sum(), argument, retain_graph=True)[0]


@pytest.mark.parametrize("shape", [(2, 3, 9, 14), (1, 1, 13, 11), (2, 2, 10, 10), (4, 11, 9)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_pse_is_the_dense_convolution_squared(
    kernel: str, padding: str, reduction: str, shape: tuple[int, ...]
) -> None:
    first, second = images(*shape), images(*shape, seed=1)
    expected = reference_map((first - second).abs(), kernel_1d(kernel, 1.7, None, 1.0), padding).square()
    loss = pse_loss(first, second, 1.7, kernel=kernel, padding=padding, reduction=reduction)
    torch.testing.assert_close(loss, REDUCE[reduction](expected), rtol=1e-11, atol=0)


@pytest.mark.parametrize("radius", [9, 10, 25, 60])
@pytest.mark.parametrize("padding", ["zeros", "replicate", "circular"])
def test_kernels_wider_than_the_image_meet_its_borders_as_often_as_they_must(padding: str, radius: int) -> None:
    first, second = images(2, 2, 9, 10), images(2, 2, 9, 10, seed=1)
    expected = reference_map((first - second).abs(), kernel_1d("gaussian", 15.0, radius, 1.0), padding)
    density = PSELoss(15.0, radius=radius, padding=padding).loss_map(first, second)
    torch.testing.assert_close(density, expected, rtol=1e-11, atol=0)


@pytest.mark.parametrize(("radius", "mass"), [(0, 1.0), (1, 0.5), (3, 1 / 3), (5, 2.0)])
def test_radius_cuts_the_kernel_and_mass_is_its_sum(radius: int, mass: float) -> None:
    first, second = images(2, 3, 8, 9), images(2, 3, 8, 9, seed=1)
    line = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * 2.0**2))
    square = np.outer(line, line)
    kernel = torch.from_numpy(mass * square / square.sum())[None, None].expand(3, 1, -1, -1)
    expected = F.conv2d((first - second).abs(), kernel, padding="same", groups=3).square().mean()
    torch.testing.assert_close(pse_loss(first, second, 2.0, radius=radius, mass=mass), expected)


@pytest.mark.parametrize("sigma", [1, 3, 6])
def test_as_released_is_the_released_form(sigma: int) -> None:
    first, second = images(2, 3, 17, 20), images(2, 3, 17, 20, seed=1)
    side = torch.arange(-sigma, sigma + 1, dtype=torch.float64)
    line = torch.exp(-(side**2) / (2 * sigma**2))
    weight = torch.zeros(3, 3, 2 * sigma + 1, 2 * sigma + 1, dtype=torch.float64)
    for channel in range(3):
        weight[channel, channel] = line[:, None] * line[None, :]
    released = F.conv2d((first - second).abs(), weight / weight.sum(), padding="same").square().mean()
    torch.testing.assert_close(PSELoss.as_released(sigma)(first, second), released, rtol=1e-12, atol=0)


@pytest.mark.parametrize("weights", [[2.0], [1.0, 2.0, 1.0], [0.0, 1.0, 4.0, 2.0, 0.5]])
def test_a_tensor_of_weights_is_a_kernel_and_ignores_sigma_and_radius(weights: list[float]) -> None:
    first, second = images(2, 3, 8, 9), images(2, 3, 8, 9, seed=1)
    line = torch.tensor(weights, dtype=torch.float64)
    expected = reference_map((first - second).abs(), line / line.sum(), "replicate").square().mean()
    for sigma, radius in ((1.0, None), (math.nan, 7)):
        loss = pse_loss(first, second, sigma, kernel=line, radius=radius, padding="replicate")
        torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("mass", [1.0, 1 / 3])
@pytest.mark.parametrize("kernel", KERNELS)
def test_at_sigma_zero_it_is_mse_times_the_squared_mass(kernel: str, mass: float) -> None:
    first, second = images(2, 3, 8, 9), images(2, 3, 8, 9, seed=1)
    expected = mass**2 * F.mse_loss(first, second)
    torch.testing.assert_close(pse_loss(first, second, 0, kernel=kernel, mass=mass), expected, rtol=1e-14, atol=0)


def test_the_loss_map_is_the_density_of_the_inputs_shape() -> None:
    first, second = torch.zeros(1, 2, 9, 9), torch.zeros(1, 2, 9, 9)
    first[0, 1, 4, 4] = -0.5
    density = PSELoss(1.0, radius=2).loss_map(first, second)
    line = kernel_1d("gaussian", 1.0, 2, 1.0).float()
    assert density.shape == first.shape
    assert not density[0, 0].any()  # channels do not mix
    torch.testing.assert_close(density[0, 1, 2:7, 2:7], 0.5 * torch.outer(line, line))
    assert float(density.sum()) == pytest.approx(0.5)
    assert torch.equal(PSELoss(1.0, radius=2, reduction="none")(first, second), density.square())


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
        func.hessian,
        lambda loss: func.jacrev(func.jacrev(loss)),
        lambda loss: func.jacrev(func.hessian(lambda *images: loss(*images) ** 2)),
        lambda loss: lambda *images: func.jvp(loss, images, (torch.ones_like(images[0]), torch.zeros_like(images[1]))),
        func.vmap,
        lambda loss: lambda first, second: func.vmap(loss, in_dims=(0, None))(first, second[0]),
        lambda loss: func.vmap(func.hessian(loss)),
    ],
    ids=["grad", "jacrev", "hessian", "jacrev twice", "third", "jvp", "vmap", "vmap of one", "vmap of hessian"],
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
@pytest.mark.parametrize("shape", [(128, 3, 96, 96), (64, 3, 256, 256)], ids=["the study's batch", "large images"])
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


def test_one_criterion_serves_images_of_several_sizes_and_types() -> None:
    criterion = PSELoss(1.0)
    for height, width, dtype in ((8, 9, torch.float32), (9, 8, torch.float64), (8, 9, torch.float64)):
        first, second = images(1, 3, height, width, dtype=dtype), images(1, 3, height, width, seed=1, dtype=dtype)
        loss = criterion(first, second)
        assert loss.dtype == dtype
        torch.testing.assert_close(loss, pse_loss(first, second, 1.0))


@pytest.mark.parametrize("sigma", [-1, math.nan, math.inf])
def test_a_sigma_that_is_negative_or_not_finite_is_refused(sigma: float) -> None:
    with pytest.raises(ValueError, match=f"sigma is {sigma}; expected a finite number of pixels, 0 or more"):
        pse_loss(images(1, 3, 8, 8), images(1, 3, 8, 8), sigma)


@pytest.mark.parametrize("sigma", [2.5, 0, -1, True, 3.0, math.nan])
def test_as_released_takes_whole_numbers_from_one(sigma: float) -> None:
    with pytest.raises(
        ValueError, match=f"sigma is {sigma}; the released code takes whole numbers of pixels, 1 or more"
    ):
        PSELoss.as_released(sigma)  # type: ignore[arg-type]


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"input is \(1, 3, 8, 8\) and target \(1, 3, 8, 9\); expected equal shapes"):
        pse_loss(images(1, 3, 8, 8), images(1, 3, 8, 9), 1.0)


@pytest.mark.parametrize("shape", [(8, 8), (8,), (1, 1, 3, 8, 8)])
def test_what_is_not_an_image_or_a_batch_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(N, C, H, W\) or \(C, H, W\)") as caught:
        pse_loss(images(*shape), images(*shape), 1.0)
    assert f"input is {shape}" in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
def test_integer_images_are_refused(dtype: torch.dtype) -> None:
    whole, floats = torch.zeros(1, 3, 8, 8, dtype=dtype), images(1, 3, 8, 8)
    with pytest.raises(TypeError, match=f"input is {dtype} and target torch.float64; expected floating-point images"):
        pse_loss(whole, floats, 1.0)
    with pytest.raises(TypeError, match=f"input is torch.float64 and target {dtype}; expected"):
        pse_loss(floats, whole, 1.0)


@pytest.mark.parametrize("shape", [(1, 3, 8, 20), (1, 3, 20, 8)])
def test_a_reflect_radius_that_is_not_below_both_sides_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="radius is 8 and the image 8 pixels; reflect needs a radius below"):
        pse_loss(images(*shape), images(*shape, seed=1), 2.0, padding="reflect")
    assert pse_loss(images(*shape), images(*shape, seed=1), 2.0, padding="reflect", radius=7).isfinite()


@pytest.mark.parametrize(
    ("argument", "value"), [("padding", "wrap"), ("reduction", "median"), ("kernel", "cosine"), ("padding", "")]
)
def test_an_unknown_name_is_refused_with_those_that_are_known(argument: str, value: str) -> None:
    known = {"padding": PADDINGS, "reduction": REDUCTIONS, "kernel": KERNELS}[argument]
    with pytest.raises(ValueError, match=f"{argument} is '{value}'; expected one of {', '.join(known)}"):
        PSELoss(1.0, **{argument: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("mass", [0.0, -1.0, math.nan])
def test_a_mass_that_is_not_above_zero_is_refused(mass: float) -> None:
    with pytest.raises(ValueError, match=f"mass is {mass}"):
        PSELoss(1.0, mass=mass)


def test_an_even_number_of_weights_is_refused() -> None:
    with pytest.raises(ValueError, match=r"kernel is a tensor of shape \(4,\); expected one axis and an odd length"):
        PSELoss(1.0, kernel=torch.ones(4))
