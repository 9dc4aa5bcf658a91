"""Peak memory of a piece of work, beyond what was allocated before."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

MEANING = {
    "cpu": "bytes of tensors alive at once, from building a form to the end of its first call; images in a memory map "
    "and what libraries use inside an operation are not counted",
    "cuda": "torch.cuda.max_memory_allocated from building a form to the end of its first call, less what was "
    "allocated before",
}


def peak_memory(work: Callable[[], object], device: torch.device) -> int:
    """Return bytes as defined in `MEANING` for the device's type."""
    if device.type == "cuda":
        gc.collect()  # garbage freed during the work would be subtracted from its memory
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with _LiveTensors() as live:
        work()
    return live.peak


class _LiveTensors(TorchDispatchMode):
    """Sum of the storages created by operations and not yet freed.

    Inputs that no operation has created (memory maps, tensors from before) and views of them are not counted.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = self.peak = 0
        self.sizes: dict[int, int] = {}  # bytes of the live storages by address; 0 if not counted

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for storage in _storages((args, kwargs)):
            self._add(storage, 0)
        returned = operation(*args, **(kwargs or {}))
        for storage in _storages(returned):
            self._add(storage, storage.nbytes())
        return returned

    def _add(self, storage: torch.UntypedStorage, size: int) -> None:
        address = storage.data_ptr()
        if address and address not in self.sizes:
            self.sizes[address] = size
            self.bytes += size
            self.peak = max(self.peak, self.bytes)
            weakref.finalize(storage, self._subtract, address)

    def _subtract(self, address: int) -> None:
        self.bytes -= self.sizes.pop(address, 0)


def _storages(values: Any) -> list[torch.UntypedStorage]:
    return [value.untyped_storage() for value in tree_leaves(values) if isinstance(value, Tensor)]
