"""Proximal Sensitive Error (PSE): the mean square of the smoothed absolute residual.

    R   = |input - target|        per pixel and channel
    MSE = mean(R^2)
    PSE = mean((R * K)^2)         K: a 2-D kernel of standard deviation sigma; * is convolution

Source: A. Golmakani, *Unsupervised Pre-Training using Proximal Sensitive Error (PSE)*, May 2023, slide "Research Idea".
K is a product of two 1-D kernels, so `R * K` is `rows @ R @ columns.T` with two small banded matrices, whatever sigma.

Shapes: N images, C channels, H rows, W columns.
"""

from collections.abc import Callable
from numbers import Integral
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack
from torch.utils._triton import has_triton_package

from pse_repro.kernels import PADDINGS, kernel_1d
from pse_repro.residual import check_reduction, difference, full_precision
from pse_repro.smoothing import Smoothing, constant


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
    a jvp by another jvp: PyTorch drops terms there in every `autograd.Function`. A pixel that is not finite makes its
    channel of its image NaN, with reduction none, too (if a side is longer than 384 pixels, around it). As with MSE,
    the mean over an empty batch is NaN and the sum 0.
    It can be exported by `torch.export` and `torch.jit.trace`, not by `torch.jit.script`.

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
        ValueError: The shapes differ or are not those of images, sigma is negative or not finite, the kernel's radius
            above 1,000,000 pixels or, for reflect, not below the image's size, or a name is not in the lists above.
        TypeError: The images are not tensors of float16, bfloat16, float32 or float64.
    """
    criterion = PSELoss(sigma, kernel=kernel, radius=radius, mass=mass, padding=padding, reduction=reduction)
    return criterion(input, target)  # type: ignore[no-any-return]


class PSELoss(nn.Module):
    """`pse_loss` as a module that caches its constants; arguments, ranges and errors are the same."""

    fused = True  # on a GPU, use the kernel of fused.py if it can be; set it to False in an instance or in the class

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
        check_reduction(reduction)
        self.weights = constant(kernel_1d, kernel, sigma, radius, mass)
        self.sigma, self.mass, self.padding, self.reduction = sigma, mass, padding, reduction
        self._smoothing = Smoothing(self.weights, padding)

    @classmethod
    def as_released(cls, sigma: int) -> Self:
        """Return the released code's PSE: cut at one sigma, a third of the mass, zero borders (switches 1, 2 and 3).

        Raises ValueError unless `sigma` is a whole number of pixels, 1 or more.
        """
        if isinstance(sigma, bool) or not isinstance(sigma, Integral) or sigma < 1:
            raise ValueError(f"sigma is {sigma}; the released code takes whole numbers of pixels, 1 or more")
        return cls(int(sigma), radius=int(sigma), mass=1 / 3)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        if self.reduction == "none":
            return self.loss_map(input, target).square()
        if self.fused and _is_ordinary(input) and _is_ordinary(target) and has_triton_package():
            from pse_repro.fused import FusedLoss, takes

            if takes(input, target):
                scale = 1 / input.numel() if self.reduction == "mean" else 1.0
                matrices = self._smoothing.matrices_twice(input, torch.float32)
                loss: Tensor = FusedLoss.apply(input, target, *matrices, scale, self.in_plain_steps)
                return loss
        return self.in_plain_steps(input, target)

    def in_plain_steps(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss (mean or sum) without the fused kernel, which its values and derivatives must equal."""
        residual = self._residual(input, target)
        with full_precision(residual):
            energy = self._energy(residual)
            return energy / residual.numel() if self.reduction == "mean" else energy

    def loss_map(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the density `R * K` (slide 10), of the input's shape: the residual smoothed over its neighbours."""
        residual = self._residual(input, target)
        with full_precision(residual):
            return self._filtered(residual)

    def _filtered(self, residual: Tensor) -> Tensor:
        return self._smoothing.once(residual)  # rows @ R @ columns.T

    def _residual(self, input: Tensor, target: Tensor) -> Tensor:
        """Return R = |input - target|, in float32 or float64."""
        return difference(input, target).abs().contiguous()  # products copy channels last twice

    def _energy(self, residual: Tensor) -> Tensor:
        """Return sum((R * K)^2), in eager mode with a gradient that needs no further matrix product."""
        if torch.compiler.is_compiling() or torch._C._get_tracing_state():  # graphs take no Function that has a jvp
            return self._filtered(residual).square().sum((-2, -1)).sum()
        energy: Tensor = _EnergyAndHalfGradient.apply(residual, self._smoothing.twice)[0]
        return energy

    def extra_repr(self) -> str:
        return (
            f"sigma={self.sigma}, radius={len(self.weights) // 2}, padding={self.padding}, reduction={self.reduction}"
        )


class _EnergyAndHalfGradient(torch.autograd.Function):
    """sum((rows @ R @ columns.T)^2) and q, half its gradient, with only two matrix products.

    Let q = twice(R), the residual smoothed and then smoothed by the transpose. The sum is <R, q> and its gradient 2 q.
    As q is an output, autograd can differentiate the gradient.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(residual: Tensor, twice: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        q = twice(residual)  # rows.T @ rows @ R @ columns.T @ columns
        # Sum within channels first: a single torch.dot over all values would lose up to 3 % in float32.
        return (residual * q).sum((-2, -1)).sum(), q

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(output[1])
        ctx.save_for_forward(output[1])
        ctx.twice = inputs[1]
        ctx.set_materialize_grads(False)  # first derivatives then have no grad_of_q, and need no matrix product

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, grad_of_q: Tensor | None) -> tuple[Tensor, None]:
        (q,) = ctx.saved_tensors
        gradient = torch.zeros_like(q) if grad is None else (2 * grad) * q
        if grad_of_q is not None:
            with full_precision(q):
                gradient = gradient + ctx.twice(grad_of_q)
        return gradient, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *_: None) -> tuple[Tensor, Tensor]:
        (q,) = ctx.saved_tensors
        return 2 * (q * tangent).sum((-2, -1)).sum(), ctx.twice(tangent)


def _is_ordinary(images: Tensor) -> bool:
    """Return True for images on a GPU whose operations nobody looks at, so that they may be fused.

    Subclasses, graphs, modes and transforms of functions need to see PyTorch's own operations, except a mode that has
    `ignores_kernels`.
    """
    return (
        type(images) in (Tensor, nn.Parameter)
        and images.is_cuda
        and not torch.compiler.is_compiling()
        and not torch._C._get_tracing_state()
        and not torch._C._are_functorch_transforms_active()
        and all(getattr(mode, "ignores_kernels", False) for mode in _get_current_dispatch_mode_stack())
        and forward_ad._current_level < 0
    )
