"""Proximal Sensitive Error (PSE): the mean square of the smoothed absolute residual.

    R   = |input - target|        per pixel and channel
    MSE = mean(R^2)
    PSE = mean((R * K)^2)         K: a 2-D kernel of standard deviation sigma; * is convolution

Source: A. Golmakani, *Unsupervised Pre-Training using Proximal Sensitive Error (PSE)*, May 2023, slide "Research Idea".
K is a product of two 1-D kernels, so `R * K` is `rows @ R @ columns.T` with two small banded matrices, whatever sigma.

Shapes: N images, C channels, H rows, W columns.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import get_unwrapped, is_functorch_wrapped_tensor  # torch.func.debug_unwrap is too new

from pse_repro.kernels import PADDINGS, border_matrix, kernel_1d

REDUCTIONS = ("mean", "sum", "none")


def pse_loss(
    input: Tensor,
    target: Tensor,
    sigma: float,
    *,
    kernel: str | Tensor = "gaussian",
    radius: int | None = None,
    mass: float = 1.0,
    padding: str = "zeros",
    reduction: str = "mean",
) -> Tensor:
    """Return the Proximal Sensitive Error between two images or batches of images.

    Half precisions are computed in float32. Derivatives of all orders are right, also by `torch.func`, except those of
    a jvp by another jvp: PyTorch drops terms there in every `autograd.Function`.

    Args:
        input: Images (N, C, H, W) or one image (C, H, W), of any value range.
        target: Images of the same shape.
        sigma: Standard deviation of the kernel in pixels, 0 or more; 0 gives `mass**2 * MSE`.
        kernel: gaussian, box, epanechnikov or triangular, or a 1-D tensor with an odd number of weights; `sigma` and
            `radius` are then ignored.
        radius: Radius of the kernel in pixels; by default 4 sigma, rounded up.
        mass: Sum of each channel's 2-D kernel, above 0.
        padding: zeros, reflect, replicate or circular.
        reduction: mean, sum or none (the squared map, of the input's shape).

    Raises:
        ValueError: The shapes differ or are not those of images, sigma is negative or not finite, a reflect radius is
            not smaller than the image, or a name is not in the lists above.
        TypeError: The images are integers.
    """
    criterion = PSELoss(sigma, kernel=kernel, radius=radius, mass=mass, padding=padding, reduction=reduction)
    return criterion(input, target)  # type: ignore[no-any-return]


class PSELoss(nn.Module):
    """`pse_loss` as a module that caches its constants; arguments, ranges and errors are the same."""

    def __init__(
        self,
        sigma: float,
        *,
        kernel: str | Tensor = "gaussian",
        radius: int | None = None,
        mass: float = 1.0,
        padding: str = "zeros",
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        if padding not in PADDINGS:
            raise ValueError(f"padding is {padding!r}; expected one of {', '.join(PADDINGS)}")
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction is {reduction!r}; expected one of {', '.join(REDUCTIONS)}")
        self.weights = kernel_1d(kernel, sigma, radius, mass)
        self.sigma, self.padding, self.reduction = sigma, padding, reduction
        self._matrices: dict[tuple[int, torch.dtype, torch.device], Tensor] = {}

    @classmethod
    def as_released(cls, sigma: int) -> "PSELoss":
        """Return the released code's PSE: cut at one sigma, a third of the mass, zero borders (switches 1, 2 and 3).

        Raises ValueError unless `sigma` is a whole number of pixels, 1 or more.
        """
        if isinstance(sigma, bool) or not isinstance(sigma, int) or sigma < 1:
            raise ValueError(f"sigma is {sigma!r}; the released code takes whole numbers of pixels, 1 or more")
        return cls(sigma, radius=sigma, mass=1 / 3)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        if self.reduction == "none":
            return self.loss_map(input, target).square()
        residual = _residual(input, target)
        with torch.autocast(input.device.type, enabled=False):
            rows, columns = self._smoothing(residual)
            energy = _energy(residual, rows, columns)
            return energy / residual.numel() if self.reduction == "mean" else energy

    def loss_map(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the density `R * K` (slide 10), of the input's shape: the residual smoothed over its neighbours."""
        residual = _residual(input, target)
        with torch.autocast(input.device.type, enabled=False):
            rows, columns = self._smoothing(residual)
            return rows @ (residual @ columns.T)

    def _smoothing(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two matrices (H, H) and (W, W) that smooth along the height and along the width."""
        height, width = residual.shape[-2:]
        return self._matrix(height, residual), self._matrix(width, residual)

    def _matrix(self, size: int, residual: Tensor) -> Tensor:
        """Return the matrix (size, size) that smooths an axis, of the residual's type and on its device."""
        key = (size, residual.dtype, residual.device)
        if key in self._matrices:
            return self._matrices[key]
        if torch.compiler.is_compiling():  # what a graph makes may not outlive it
            return border_matrix(self.weights, size, self.padding).to(residual)
        # A constant must not belong to the inference mode or the torch.func transform that first needs it.
        with torch.inference_mode(False):
            matrix = border_matrix(self.weights, size, self.padding).to(residual)
        while is_functorch_wrapped_tensor(matrix):
            matrix = get_unwrapped(matrix)
        self._matrices[key] = matrix
        return matrix

    def extra_repr(self) -> str:
        return (
            f"sigma={self.sigma}, radius={len(self.weights) // 2}, padding={self.padding}, reduction={self.reduction}"
        )


def _energy(residual: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return sum((rows @ R @ columns.T)^2), in eager mode with a gradient that needs no further matrix product."""
    if torch.compiler.is_compiling():  # torch.compile takes no Function that has a jvp
        squares = (rows @ (residual @ columns.T)).square()
        return squares.sum((-2, -1)).sum()
    energy: Tensor = _EnergyAndHalfGradient.apply(residual, rows.T @ rows, columns.T @ columns)[0]
    return energy


class _EnergyAndHalfGradient(torch.autograd.Function):
    """sum((rows @ R @ columns.T)^2) and q, half its gradient, with only two matrix products.

    Let q = rows_twice @ R @ columns_twice with rows_twice = rows.T @ rows (a smoothing and its transpose). The sum is
    <R, q> and its gradient 2 q. As q is an output, autograd can differentiate the gradient.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(residual: Tensor, rows_twice: Tensor, columns_twice: Tensor) -> tuple[Tensor, Tensor]:
        q = rows_twice @ (residual @ columns_twice)
        # Sum within channels first: a single torch.dot over all values would lose up to 3 % in float32.
        return (residual * q).sum((-2, -1)).sum(), q

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        saved = output[1], *inputs[1:]
        ctx.save_for_backward(*saved)
        ctx.save_for_forward(*saved)
        ctx.set_materialize_grads(False)  # first derivatives then have no grad_of_q, and need no matrix product

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, grad_of_q: Tensor | None) -> tuple[Tensor, None, None]:
        q, rows_twice, columns_twice = ctx.saved_tensors
        gradient = torch.zeros_like(q) if grad is None else (2 * grad) * q
        if grad_of_q is not None:
            with torch.autocast(q.device.type, enabled=False):
                gradient = gradient + rows_twice @ (grad_of_q @ columns_twice)
        return gradient, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> tuple[Tensor, Tensor]:
        q, rows_twice, columns_twice = ctx.saved_tensors
        return 2 * (q * tangent).sum((-2, -1)).sum(), rows_twice @ (tangent @ columns_twice)


def _residual(input: Tensor, target: Tensor) -> Tensor:
    """Return |input - target|, in float32 or float64."""
    if input.shape != target.shape:
        raise ValueError(f"input is {tuple(input.shape)} and target {tuple(target.shape)}; expected equal shapes")
    if input.ndim not in (3, 4):
        raise ValueError(f"input is {tuple(input.shape)}; expected (N, C, H, W) or (C, H, W)")
    if not (input.is_floating_point() and target.is_floating_point()):
        raise TypeError(f"input is {input.dtype} and target {target.dtype}; expected floating-point images")
    half = (torch.float16, torch.bfloat16)
    input, target = (images.float() if images.dtype in half else images for images in (input, target))
    return (input - target).abs()
