"""Long sides are smoothed in stretches as by the whole matrix, at a cost that grows with their length alone."""

import pytest
import torch
from torch import Tensor, func
from torch.utils.flop_counter import FlopCounterMode

from pse_repro import PSELoss
from pse_repro.kernels import PADDINGS, border_matrix, kernel_1d
from pse_repro.smoothing import Smoothing
from tests.support.dense_loss import images


def flops(criterion: PSELoss, shape: tuple[int, ...]) -> int:
    """Return the operations of the products for a loss and its gradient, after a first call."""
    first, second = torch.rand(2, *shape)
    criterion(first, second)
    with FlopCounterMode(display=False) as counter:
        criterion(first.requires_grad_(), second).backward()
    total: int = counter.get_total_flops()
    return total


@pytest.mark.parametrize("shape", [(2, 3, 400, 7), (2, 385, 512), (1, 1, 2, 1000)], ids=str)
@pytest.mark.parametrize("radius", [0, 3, 20, 60])
@pytest.mark.parametrize("padding", PADDINGS)
def test_both_smoothings_are_those_by_whole_matrices(padding: str, radius: int, shape: tuple[int, ...]) -> None:
    if padding == "reflect" and radius >= min(shape[-2:]):
        padding = "zeros"
    residual, weights = images(*shape), torch.rand(2 * radius + 1, dtype=torch.float64)  # not symmetric
    rows, columns = (border_matrix(weights, size, padding) for size in shape[-2:])
    smoothing = Smoothing(weights, padding)
    torch.testing.assert_close(smoothing.once(residual), rows @ residual @ columns.T, rtol=1e-11, atol=0)
    expected = rows.T @ rows @ residual @ columns.T @ columns
    torch.testing.assert_close(smoothing.twice(residual), expected, rtol=1e-11, atol=0)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")  # PyTorch's own, in its forward mode
@pytest.mark.parametrize(("sigma", "size"), [(3.0, 2500), (80.0, 1100)], ids=["in stretches", "wide kernel"])
@pytest.mark.parametrize("padding", PADDINGS)
def test_pse_of_long_images_and_its_derivatives_are_those_by_whole_matrices(
    padding: str, sigma: float, size: int
) -> None:
    first, second = images(1, 1, size, 3), images(1, 1, size, 3, seed=1)
    criterion = PSELoss(sigma, radius=2 if padding == "reflect" else None, padding=padding)
    rows, columns = (border_matrix(criterion.weights, side, padding) for side in (size, 3))

    def slow(first: Tensor, second: Tensor) -> Tensor:
        return (rows @ (first - second).abs() @ columns.T).square().mean()

    direction = images(1, 1, size, 3, seed=2)
    for transform in (
        lambda loss: loss,
        func.grad,
        func.vmap,
        lambda loss: lambda first, second: func.jvp(func.grad(loss), (first, second), (direction, direction))[1],
    ):
        found, expected = (transform(loss)(first, second) for loss in (criterion, slow))
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))


@pytest.mark.parametrize("padding", ["zeros", "circular"])
@pytest.mark.parametrize("make", [lambda shape: shape, lambda shape: shape[::-1]], ids=["wide", "high"])
def test_the_cost_grows_with_the_length_of_a_side_alone(make, padding: str) -> None:  # type: ignore[no-untyped-def]
    criterion = PSELoss(3.0, padding=padding)
    short, long = (flops(criterion, (1, *make((16, size)))) for size in (2048, 4096))
    assert long < 2.1 * short
    assert long < 2 * 16 * 4096 * (2 * 128 + 16) * 1.1  # two stretches of 128 pixels are computed for each kept one


def test_large_images_are_smoothed_without_a_large_matrix() -> None:
    smoothing = Smoothing(kernel_1d("gaussian", 3.0, None, 1.0), "zeros")
    smoothing.twice(torch.rand(1, 700, 1500))
    assert {len(matrix) for matrix in smoothing._kept.values()} == {128}
