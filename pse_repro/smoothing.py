"""Images smoothed along both axes, by matrices that are made for each size, type and device and kept for a while.

A long side is smoothed in overlapping stretches, so that its cost grows with its length and not with the square of it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import get_unwrapped, is_functorch_wrapped_tensor  # torch.func.debug_unwrap is too new
from torch._guards import detect_fake_mode
from torch._subclasses.fake_tensor import unset_fake_temporarily

from pse_repro.kernels import border_matrix

_LONG = 384  # pixels; shorter sides are smoothed by one matrix, which is faster
_STRETCH = 128  # pixels, if the kernel's radius is not more than 16
_CUBED = 1024  # pixels; a product of larger matrices takes seconds
_KEPT = 8  # matrices: two for each of two sizes of images, in two precisions or on two devices


class Smoothing:
    """Smoothing by a 1-D kernel along rows and columns, and its transpose, for images of every size, type and device.

    The last few matrices are kept: neither for ever nor in a copy or a file of the criterion that uses them.
    """

    def __init__(self, weights: Tensor, padding: str) -> None:
        self.weights, self.padding = weights, padding
        self._kept: dict[tuple[Any, ...], Tensor] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": {}}

    def once(self, images: Tensor) -> Tensor:
        """Return `rows @ images @ columns.T`."""
        return self._applied(*self._matrices(self._once, images, images.dtype), images)

    def twice(self, images: Tensor) -> Tensor:
        """Return `rows.T @ rows @ images @ columns.T @ columns`, the transpose of `once` after `once`."""
        rows, columns = self._matrices(self._once, images, images.dtype)
        if max(len(rows), len(columns)) > _CUBED:
            return self._applied(rows.T, columns.T, self._applied(rows, columns, images))
        return self._applied(*self.matrices_twice(images, images.dtype), images)

    def matrices_twice(self, images: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return `rows.T @ rows` and `columns.T @ columns`, symmetric, of this type."""
        return self._matrices(self._twice, images, dtype)

    def _applied(self, rows: Tensor, columns: Tensor, images: Tensor) -> Tensor:
        wraps = self.padding == "circular"
        return _along(-2, rows, _along(-1, columns, images, wraps), wraps)

    def _matrices(self, make: Callable[..., Tensor], images: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        rows, columns = (self._matrix(make, self._length(size), images, dtype) for size in images.shape[-2:])
        return rows, columns

    def _length(self, size: int) -> int:
        """Return the length of the stretches that a side of `size` pixels is smoothed in: of all of it if not long."""
        if torch.compiler.is_compiling() or torch._C._get_tracing_state():  # a graph takes images of other sizes
            return size
        stretch = max(_STRETCH, 8 * (len(self.weights) // 2))
        return stretch if size > _LONG and size >= 2 * stretch else size

    def _matrix(self, make: Callable[..., Tensor], size: int, images: Tensor, dtype: torch.dtype) -> Tensor:
        if torch.compiler.is_compiling():  # what a graph makes may not outlive it
            return make(size, dtype, images.device)
        if images.is_meta:
            return images.new_empty(size, size, dtype=dtype)
        key = make.__name__, int(size), dtype, images.device
        matrix = self._kept.get(key)
        if matrix is None:
            while len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)), None)
            matrix = self._kept[key] = constant(make, *key[1:])
        fake = detect_fake_mode(images)
        return fake.from_tensor(matrix) if fake else matrix

    def _once(self, size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        return border_matrix(self.weights, size, self.padding).to(device, dtype)

    def _twice(self, size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        matrix = border_matrix(self.weights, size, self.padding)
        return (matrix.T @ matrix).to(device, dtype)


def _along(axis: int, matrix: Tensor, images: Tensor, wraps: bool) -> Tensor:
    """Return `matrix @ images` (axis -2) or `images @ matrix.T` (axis -1), in stretches if the matrix is shorter.

    A stretch is smoothed as if it were all of the image. Its middle half is kept, which the cut ends do not reach: the
    kernel's radius is at most an eighth of it, and a smoothing and its transpose reach twice as far. The first and the
    last stretch keep the image's own end, too, unless it `wraps` around.
    """
    length, size = matrix.shape[1], images.shape[axis]
    if length == size:
        return matrix @ images if axis == -2 else images @ matrix.T
    margin = length // 4
    if wraps:
        ends = images.narrow(axis, size - margin, margin), images.narrow(axis, 0, margin)
        images, size = torch.cat([ends[0], images, ends[1]], axis), size + 2 * margin
    starts = [*range(0, size - length, length // 2), size - length]
    cuts = [margin if wraps else 0, *(start + margin for start in starts[1:]), size - margin if wraps else size]
    stretches = (
        _along(axis, matrix[cut - start : end - start], images.narrow(axis, start, length), False)
        for start, cut, end in zip(starts, cuts, cuts[1:], strict=False)
    )
    return torch.cat(list(stretches), axis)


def constant(make: Callable[..., Tensor], *arguments: object) -> Tensor:
    """Return what `make` makes, as a tensor that can be kept.

    It has values and belongs to no inference mode, fake mode, trace or torch.func transform that happens to be on.
    """
    if torch.compiler.is_compiling():
        return make(*arguments)
    trace = torch._C._get_tracing_state()
    torch._C._set_tracing_state(None)  # type: ignore[attr-defined]
    try:
        with torch.inference_mode(False), unset_fake_temporarily():
            made = make(*arguments)
    finally:
        torch._C._set_tracing_state(trace)  # type: ignore[attr-defined]
    while is_functorch_wrapped_tensor(made):
        made = get_unwrapped(made)
    return made
