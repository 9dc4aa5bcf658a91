"""What the losses on images share: their arguments checked, full precision, and reductions."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

REDUCTIONS = ("mean", "sum", "none")
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def difference(input: Tensor, target: Tensor) -> Tensor:
    """Return the signed residual input - target, in float32 or float64; errors as those of `in_full`."""
    input, target = in_full(input, target)
    return input - target


def in_full(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return two images (C, H, W) or batches of images (N, C, H, W), half precisions in float32.

    Raises:
        ValueError: The shapes differ or are not those of images.
        TypeError: They are not tensors of float16, bfloat16, float32 or float64.
    """
    if not (isinstance(input, Tensor) and isinstance(target, Tensor)):
        found = f"input is of type {type(input).__name__} and target {type(target).__name__}"
        raise TypeError(f"{found}; expected tensors, which torch.from_numpy makes of NumPy images")
    if input.shape != target.shape:
        raise ValueError(f"input is {tuple(input.shape)} and target {tuple(target.shape)}; expected equal shapes")
    if input.ndim not in (3, 4):
        hint = "; fold the frames of videos (N, T, C, H, W) into N by flatten(0, 1)" if input.ndim == 5 else ""
        raise ValueError(f"input is {tuple(input.shape)}; expected (N, C, H, W) or (C, H, W){hint}")
    if not (input.dtype in _FLOATS and target.dtype in _FLOATS):
        raise TypeError(
            f"input is {input.dtype} and target {target.dtype}; expected floating-point images of 16, 32 or 64 bits"
        )
    half = (torch.float16, torch.bfloat16)
    input, target = (images.float() if images.dtype in half else images for images in (input, target))
    return input, target


def full_precision(images: Tensor) -> AbstractContextManager[Any]:
    """Return a context without autocast, which the meta device does not have."""
    return nullcontext() if images.is_meta else torch.autocast(images.device.type, enabled=False)


def check_reduction(reduction: str) -> None:
    """Raise ValueError unless it is one of REDUCTIONS."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction is {reduction!r}; expected one of {', '.join(REDUCTIONS)}")


def reduced(values: Tensor, reduction: str) -> Tensor:
    """Return the mean or the sum of all values, or with none the values themselves."""
    return values if reduction == "none" else values.mean() if reduction == "mean" else values.sum()
