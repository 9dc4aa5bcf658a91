"""One-dimensional smoothing kernels, and the matrices that apply them along one axis of an image.

All values are computed in float64 on the CPU, whatever the default device; `smoothing.py` casts them to the type and
the device of the images.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

PADDINGS = ("zeros", "reflect", "replicate", "circular")

# Profiles of |offset| / bandwidth with compact support. The box is antialiased (its edge pixel counts in part), so that
# its standard deviation varies continuously with the bandwidth, as for the other kernels.
_PROFILES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "box": lambda distance, bandwidth: (bandwidth + 0.5 - distance).clamp(0.0, 1.0),
    "epanechnikov": lambda distance, bandwidth: (1.0 - (distance / bandwidth) ** 2).clamp(min=0.0),
    "triangular": lambda distance, bandwidth: (1.0 - distance / bandwidth).clamp(min=0.0),
}
KERNELS = ("gaussian", *_PROFILES)

MAX_RADIUS = 1_000_000  # in pixels; such a kernel takes 16 MB


def kernel_1d(kernel: str | Tensor, sigma: float, radius: int | None, mass: float) -> Tensor:
    """Return weights (2 * radius + 1,) in float64 whose outer product with themselves sums to `mass`.

    `sigma` is the standard deviation in pixels before the cut at `radius` (default: 4 sigma, rounded up). Both are
    ignored if `kernel` is a 1-D tensor with an odd number of weights.

    Raises:
        ValueError: `kernel`, `sigma`, `radius` or `mass` is invalid; the message names it.
    """
    if not (math.isfinite(mass) and mass > 0):
        raise ValueError(f"mass is {mass}; expected a finite number above 0")
    weights = _given(kernel) if isinstance(kernel, Tensor) else _named(kernel, sigma, radius)
    return weights * (math.sqrt(mass) / weights.sum())


def _given(kernel: Tensor) -> Tensor:
    if kernel.is_meta:
        raise ValueError("kernel is a tensor on the meta device, without values; expected weights")
    weights = kernel.detach().to("cpu", torch.float64)
    if weights.ndim != 1 or len(weights) % 2 == 0:
        raise ValueError(f"kernel is a tensor of shape {tuple(kernel.shape)}; expected one axis and an odd length")
    if not (bool(weights.isfinite().all()) and float(weights.sum()) > 0):
        raise ValueError("kernel holds weights that are not finite or do not sum to more than 0")
    return weights


def _named(kernel: str, sigma: float, radius: int | None) -> Tensor:
    if kernel not in KERNELS:
        raise ValueError(f"kernel is {kernel!r}; expected one of {', '.join(KERNELS)}, or a 1-D tensor of weights")
    if not (math.isfinite(sigma) and sigma >= 0):
        raise ValueError(f"sigma is {sigma}; expected a finite number of pixels, 0 or more")
    if radius is not None and not (radius >= 0 and radius % 1 == 0):
        raise ValueError(f"radius is {radius}; expected a whole number of pixels, 0 or more")
    reach = _reach(sigma, 4 * sigma if radius is None else radius)
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float64, device="cpu")
    if sigma == 0:
        return (offsets == 0).double()
    if kernel == "gaussian":
        return torch.exp(-0.5 * (offsets / sigma) ** 2)
    return _PROFILES[kernel](offsets.abs(), _bandwidth(kernel, sigma))


def _reach(sigma: float, radius: float) -> int:
    """Return the radius rounded up; ValueError if a kernel so wide would take too much memory."""
    if not radius <= MAX_RADIUS:
        raise ValueError(f"sigma is {sigma} and the kernel's radius {radius}; expected at most {MAX_RADIUS} pixels")
    return math.ceil(radius)


def _bandwidth(kernel: str, sigma: float) -> float:
    """Return the bandwidth at which the sampled kernel's standard deviation is exactly `sigma`, by bisection."""
    offsets = torch.arange(_reach(sigma, 4 * sigma) + 1, dtype=torch.float64, device="cpu")
    low, high = (0.5 if kernel == "box" else 1.0), 4 * sigma + 1
    for _ in range(60):
        middle = (low + high) / 2
        weights = _PROFILES[kernel](offsets, middle)
        weights[0] /= 2  # one-sided: the centre belongs to both halves
        variance = float((weights * offsets**2).sum() / weights.sum())
        low, high = (middle, high) if variance < sigma**2 else (low, middle)
    return high


def border_matrix(weights: Tensor, size: int, padding: str) -> Tensor:
    """Return the matrix M (size, size) that smooths an axis of `size` pixels: `M @ x` is x padded, then convolved.

    Padding: zeros outside the image, reflect about the border pixel, replicate the border pixel, or circular
    (wraps around as often as needed).

    Raises:
        ValueError: The padding is unknown, or the radius of a reflect padding is not below `size`.
    """
    if padding not in PADDINGS:
        raise ValueError(f"padding is {padding!r}; expected one of {', '.join(PADDINGS)}")
    radius = len(weights) // 2
    if padding == "reflect" and radius >= size:
        raise ValueError(
            f"radius is {radius} and the image {size} pixels; reflect needs a radius below the image's size"
        )
    # Offsets beyond the image's size reach the same pixels as smaller ones: folding them keeps the cost bounded.
    reach = torch.sym_min(radius, size)
    offsets = torch.arange(-radius, radius + 1, device="cpu")
    offsets = offsets % max(size, 1) if padding == "circular" and radius >= size else offsets.clamp(-reach, reach)
    folded = torch.zeros(2 * reach + 1, dtype=weights.dtype, device="cpu").index_add(0, offsets + reach, weights)
    source = torch.arange(size, device="cpu")[:, None] + torch.arange(-reach, reach + 1, device="cpu")
    if padding == "zeros":
        folded = folded * ((source >= 0) & (source < size))
    elif padding == "circular":
        source = source % max(size, 1)
    elif padding == "reflect":
        source = (size - 1) - ((size - 1) - source.abs()).abs()
    source = source.clamp(0, size - 1)
    matrix = torch.zeros(size, size, dtype=weights.dtype, device="cpu")
    return matrix.scatter_add(1, source, folded.expand_as(source))
