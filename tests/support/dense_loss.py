"""PSE by its slow definition, and noise to compare it on."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

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
