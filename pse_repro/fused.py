"""PSE and its gradient by one Triton kernel, for ordinary images on an NVIDIA GPU.

With A = rows.T @ rows and B = columns.T @ columns (symmetric) and R = |input - target|, q = A @ R @ B gives the energy
<R, q> and its gradient 2 q sign(input - target) (loss.py). The kernel reads the images once, keeps R and both products
on the chip, and writes one partial sum a program and, if asked to, q sign(input - target): without atomics, hence
always the same bits.
"""

import functools
import math
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

MAX_SIDE = 128  # pixels; a strip of a whole side is in registers
TYPES = (torch.float16, torch.bfloat16, torch.float32)
_STRIP = 32  # columns a program
_SCALED = 1024  # values a program
_OPTIONS = {"num_warps": 4, "enable_fp_fusion": True}  # with 8 warps, fewer programs fit on a multiprocessor


@triton.jit
def _difference(input_ptr, target_ptr, h, w, in_h, in_w, to_h, to_w, H, W):
    """Return input - target at rows h and columns w of a channel, 0 outside."""
    inside = (h[:, None] < H) & (w[None, :] < W)
    found = tl.load(input_ptr + h[:, None] * in_h + w[None, :] * in_w, mask=inside, other=0).to(tl.float32)
    return found - tl.load(target_ptr + h[:, None] * to_h + w[None, :] * to_w, mask=inside, other=0).to(tl.float32)


@triton.jit
def _matrix(matrix_ptr, r, c, SIZE):
    """Return rows r and columns c of a square matrix, 0 outside."""
    inside = (r[:, None] < SIZE) & (c[None, :] < SIZE)
    return tl.load(matrix_ptr + r[:, None] * SIZE + c[None, :], mask=inside, other=0)


@triton.jit
def _strip_kernel(
    input_ptr, target_ptr, signed_ptr, rows_ptr, columns_ptr, sums_ptr, scale, signed_scale, C,
    in_n, in_c, in_h, in_w, to_n, to_c, to_h, to_w, out_n, out_c, out_h, out_w,
    H: tl.constexpr, W: tl.constexpr, SIDE: tl.constexpr, STRIP: tl.constexpr, GRADIENT: tl.constexpr,
):  # fmt: skip
    """Compute q in STRIP columns of one channel; SIDE is a power of 2, at least H."""
    strips = tl.cdiv(W, STRIP)
    channel, first = tl.program_id(0) // strips, tl.program_id(0) % strips * STRIP
    n, c = (channel // C).to(tl.int64), channel % C
    input_ptr += n * in_n + c * in_c
    target_ptr += n * to_n + c * to_c
    w, side = first + tl.arange(0, STRIP), tl.arange(0, SIDE)
    smoothed = tl.zeros((SIDE, STRIP), tl.float32)  # R @ B
    for start in range(0, W, STRIP):
        k = start + tl.arange(0, STRIP)
        residual = tl.abs(_difference(input_ptr, target_ptr, side, k, in_h, in_w, to_h, to_w, H, W))
        smoothed = tl.dot(residual, _matrix(columns_ptr, k, w, W), smoothed, input_precision="tf32x3")
    total = tl.zeros((STRIP, STRIP), tl.float32)
    for start in range(0, H, STRIP):
        h = start + tl.arange(0, STRIP)
        q = tl.dot(_matrix(rows_ptr, h, side, H), smoothed, input_precision="tf32x3")
        difference = _difference(input_ptr, target_ptr, h, w, in_h, in_w, to_h, to_w, H, W)  # from the cache
        total += tl.abs(difference) * q
        if GRADIENT:
            sign = tl.where(difference > 0, 1.0, tl.where(difference < 0, -1.0, 0.0))
            at = signed_ptr + n * out_n + c * out_c + h[:, None] * out_h + w[None, :] * out_w
            signed = (sign * q * signed_scale).to(signed_ptr.dtype.element_ty)
            tl.store(at, signed, mask=(h[:, None] < H) & (w[None, :] < W))
    tl.store(sums_ptr + tl.program_id(0), tl.sum(total) * scale)


@triton.jit
def _scaled_kernel(values_ptr, factor_ptr, scale, scaled_ptr, COUNT, BLOCK: tl.constexpr):
    """Multiply in float32: the type of half images can hold neither the factor nor the product of both exactly."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    values = tl.load(values_ptr + at, mask=at < COUNT).to(tl.float32) * (tl.load(factor_ptr).to(tl.float32) * scale)
    tl.store(scaled_ptr + at, values.to(scaled_ptr.dtype.element_ty), mask=at < COUNT)


def takes(input: Tensor, target: Tensor) -> bool:
    """Return True if the kernels take these images, which are on a GPU, and no gradient in the target is asked for."""
    return (
        input.shape == target.shape
        and input.ndim in (3, 4)
        and input.numel() > 0
        and max(input.shape[-2:]) <= MAX_SIDE
        and input.device == target.device
        and all(
            images.dtype in TYPES and images.layout == torch.strided and not images.is_neg()
            for images in (input, target)
        )
        and not (target.requires_grad or target.is_inference())  # nor can an inference tensor be saved for backward
        and _works_on(input.device)
    )


class FusedLoss(torch.autograd.Function):
    """scale * <R, q> as a function of the input; it computes the gradient, too, and second derivatives in plain steps.

    Arguments: input and target (N, C, H, W) or (C, H, W), of any strides and of TYPES, sides up to MAX_SIDE; A (H, H)
    and B (W, W), contiguous and in float32; scale; the function of input and target that this one computes.
    """

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, target: Tensor, a: Tensor, b: Tensor, scale: float, plain: Callable[..., Tensor]
    ) -> Tensor:
        # Half images round once: their type cannot hold gradients near 2 / count, and a power of 2 needs no rounding.
        mantissa, exponent = math.frexp(2 * scale)
        signed_q = torch.empty_like(input) if ctx.needs_input_grad[0] else None
        loss = _energy(input, target, (a, b), (scale, mantissa), signed_q)
        ctx.save_for_backward(input, target, signed_q)
        ctx.rest, ctx.plain = 2.0**exponent, plain
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        input, target, signed_q = ctx.saved_tensors
        if torch.is_grad_enabled():  # this gradient will be differentiated
            gradient = torch.autograd.grad(ctx.plain(input, target), input, grad, create_graph=True)[0]
        else:
            gradient = _scaled(signed_q, grad, ctx.rest)
        return gradient, None, None, None, None, None


def _energy(
    input: Tensor, target: Tensor, a_b: tuple[Tensor, Tensor], scales: tuple[float, float], signed_q: Tensor | None
) -> Tensor:
    """Return scales[0] * <R, q>; store scales[1] * q sign(input - target) in `signed_q`, unless it is None."""
    written = input if signed_q is None else signed_q
    images = [each if each.ndim == 4 else each[None] for each in (input, target, written)]
    count, channels, height, width = input.shape if input.ndim == 4 else (1, *input.shape)
    programs = count * channels * triton.cdiv(width, _STRIP)
    sums = torch.empty(programs, device=input.device)
    with _on(input.device):
        _strip_kernel[(programs,)](
            *images, *a_b, sums, *scales, channels, *(step for each in images for step in each.stride()), height, width,
            SIDE=max(_STRIP, triton.next_power_of_2(height)), STRIP=_STRIP, GRADIENT=signed_q is not None, **_OPTIONS
        )  # fmt: skip
    return sums.sum()


def _scaled(values: Tensor, factor: Tensor, scale: float) -> Tensor:
    """Return values * factor * scale of the values' type and layout; `factor` is a tensor of one number."""
    made, count = torch.empty_like(values), values.numel()  # both have no gaps, as empty_like made the values, too
    with _on(values.device):
        grid = (triton.cdiv(count, _SCALED),)
        _scaled_kernel[grid](values, factor, scale, made, count, BLOCK=_SCALED, **_OPTIONS)
    return made


@functools.cache
def _works_on(device: torch.device) -> bool:
    """Return True if the kernels can be compiled and run on this GPU; if that fails where it should not, warn once."""
    if torch.version.cuda is None or torch.cuda.get_device_capability(device) < (8, 0):  # no products in TF32
        return False
    images, one = torch.zeros(1, 1, MAX_SIDE, MAX_SIDE, device=device), torch.ones(MAX_SIDE, MAX_SIDE, device=device)
    try:
        _scaled(images, _energy(images, images, (one, one), (1.0, 1.0), images.clone()), 1.0)
    except Exception as error:  # of Triton, the C compiler that it calls, the driver
        warnings.warn(f"PSE is computed without its Triton kernel: {type(error).__name__}: {error}", stacklevel=2)
        return False
    return True


def _on(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context in which kernels start on this device; Triton's interpreter computes on the CPU."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()
