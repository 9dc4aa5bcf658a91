"""Replacements of torch.cuda's functions for one pretended GPU, as far as the kit and PyTorch itself call them."""

import resource
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _foreach_utils

from tests.support.pretended_cuda import graphs
from tests.support.pretended_cuda.state import GENERATOR, is_pinned, pinned, set_sync_debug_mode, wait
from tests.support.pretended_cuda.tensors import GPUTensor
from tests.support.pretended_cuda.work import is_gpu

MEMORY_BYTES = 80_000_000_000
_cpu_tensor = torch.tensor


def install() -> None:
    """Replace torch.cuda's functions for the rest of the process."""
    for function in REPLACEMENTS:
        setattr(torch.cuda, function.__name__, function)
    torch.tensor = tensor
    Tensor.pin_memory = pin_memory
    Tensor.is_pinned = is_pinned
    Tensor.cuda = cuda
    # Adam and gradient clipping process all weights at once only if their type is in this list.
    _foreach_utils._foreach_supported_types.append(GPUTensor)
    # A network moved to the GPU gets new parameters, because the old ones cannot hold a wrapper.
    torch.__future__.set_overwrite_module_params_on_conversion(True)


def _lazy_init() -> None:
    """Do nothing: there is no CUDA to initialise."""


def _is_in_bad_fork() -> bool:
    return False


def is_available() -> bool:
    return True


def is_initialized() -> bool:
    return True


def device_count() -> int:
    return 1


def current_device() -> int:
    return 0


def set_device(device: Any) -> None:
    """Do nothing: there is only one device."""


def synchronize(device: Any = None) -> None:
    wait("torch.cuda.synchronize")


def get_device_properties(device: Any = None) -> SimpleNamespace:
    return SimpleNamespace(name="Pretended GPU", total_memory=MEMORY_BYTES, major=9, minor=0, multi_processor_count=1)


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Return free and total memory; all of it is free."""
    return MEMORY_BYTES, MEMORY_BYTES


def memory_reserved(device: Any = None) -> int:
    return 0


def memory_allocated(device: Any = None) -> int:
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """Return the peak of the process's memory, which holds the numbers."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reset_peak_memory_stats(device: Any = None) -> None:
    """Do nothing: the peak of a process cannot be reset."""


def manual_seed_all(seed: int) -> None:
    GENERATOR.manual_seed(seed)


def get_rng_state(device: Any = None) -> Tensor:
    return GENERATOR.get_state()


def set_rng_state(state: Tensor, device: Any = None) -> None:
    GENERATOR.set_state(state)


def get_rng_state_all() -> list[Tensor]:
    return [GENERATOR.get_state()]


def set_rng_state_all(states: Sequence[Tensor]) -> None:
    for state in states:
        GENERATOR.set_state(state)


REPLACEMENTS = (
    _lazy_init,
    _is_in_bad_fork,
    is_available,
    is_initialized,
    graphs.CUDAGraph,
    graphs.Event,
    graphs.Stream,
    graphs.current_stream,
    graphs.graph,
    graphs.graph_pool_handle,
    graphs.is_current_stream_capturing,
    graphs.stream,
    device_count,
    current_device,
    set_device,
    synchronize,
    set_sync_debug_mode,
    get_device_properties,
    mem_get_info,
    memory_reserved,
    memory_allocated,
    max_memory_allocated,
    reset_peak_memory_stats,
    manual_seed_all,
    get_rng_state,
    set_rng_state,
    get_rng_state_all,
    set_rng_state_all,
)


def tensor(data: Any, *, device: Any = None, **keywords: Any) -> Tensor:
    """Replace torch.tensor, which would create a CUDA tensor without the dispatcher."""
    made = _cpu_tensor(data, device=None if is_gpu(device) else device, **keywords)
    if not is_gpu(device):
        return made
    wait("torch.tensor on the GPU")
    return GPUTensor(made)


def pin_memory(self: Tensor, *_: Any) -> Tensor:
    """Return a copy in memory that counts as pinned."""
    return pinned(self.clone())


def cuda(self: Tensor, *_: Any, **keywords: Any) -> Tensor:
    return self.to("cuda", **keywords)
