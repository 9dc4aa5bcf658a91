"""Tensors of the pretended GPU: wrappers of CPU tensors that PyTorch treats as CUDA tensors."""

from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from tests.support.pretended_cuda.operations import operate
from tests.support.pretended_cuda.state import wait

DEVICE = torch.device("cuda", 0)


class GPUTensor(Tensor):
    """A tensor of the pretended GPU; `inner` holds its numbers."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "GPUTensor":
        """Create a wrapper with the properties of `inner`, on the GPU."""
        return Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=DEVICE,
        )

    def __init__(self, inner: Tensor) -> None:
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, operation: OpOverload, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        """Run an operation with this tensor among its arguments; called in the backward pass, too."""
        return operate(operation, arguments, keywords or {}, GPUTensor)

    def __repr__(self, **_: Any) -> str:
        return f"GPUTensor({self.inner!r})"

    def __getitem__(self, index: Any) -> Tensor:
        """Convert lists among the indices to GPU tensors, as PyTorch does for its own tensors."""
        return super().__getitem__(tuple(map(_uploaded, index)) if isinstance(index, tuple) else _uploaded(index))

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) not in memo:
            copied: Tensor = GPUTensor(self.inner.clone())
            memo[id(self)] = nn.Parameter(copied, self.requires_grad) if isinstance(self, nn.Parameter) else copied
        return memo[id(self)]

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, new: Tensor) -> None:
        """Use the numbers of `new`; PyTorch's own setter would leave this wrapper with the old ones."""
        if not isinstance(new, GPUTensor) or new.shape != self.shape:
            raise RuntimeError("incompatible tensor type")
        self.inner = new.inner

    def tolist(self) -> Any:
        wait("tolist")
        return self.inner.tolist()

    def numpy(self, **_: Any) -> Any:
        """Raise TypeError, as a GPU's tensor must be copied first."""
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor first.")

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()

    def pin_memory(self, *_: Any) -> Tensor:
        """Raise RuntimeError, as only the CPU's memory can be pinned."""
        raise RuntimeError("cannot pin a tensor of cuda:0: only dense CPU tensors can be pinned")


def _uploaded(index: Any) -> Any:
    """Return a list of positions as a GPU tensor, and any other index unchanged."""
    if not isinstance(index, list):
        return index
    wait("the upload of a list of indices")
    return GPUTensor(torch.tensor(index, dtype=torch.int64))


class PretendedGPU(TorchDispatchMode):
    """While entered, runs operations that target a CUDA device: new tensors, and copies from the CPU."""

    def __torch_dispatch__(self, operation: OpOverload, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        return operate(operation, arguments, keywords or {}, GPUTensor)
