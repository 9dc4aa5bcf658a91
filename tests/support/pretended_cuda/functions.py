"""torch.cuda's functions for one pretended GPU, as far as the kit and PyTorch itself ask them."""

import resource
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _foreach_utils

from tests.support.pretended_cuda.operations import is_gpu
from tests.support.pretended_cuda.state import GENERATOR, set_sync_debug_mode, wait
from tests.support.pretended_cuda.tensors import GPUTensor

MEMORY_BYTES = 80_000_000_000
_cpu_tensor = torch.tensor


def install() -> None:
    """Put them in the place of torch.cuda's, for the rest of the process."""
    for function in REPLACEMENTS:
        setattr(torch.cuda, function.__name__, function)
    torch.tensor = tensor
    Tensor.pin_memory = pin_memory
    Tensor.cuda = cuda
    # Adam and the clipping of gradients treat all weights at once where these are of a type that is named here.
    _foreach_utils._foreach_supported_types.append(GPUTensor)
    # A network that moves to the GPU gets new weights; a wrapper cannot be put into the old ones.
    torch.__future__.set_overwrite_module_params_on_conversion(True)


def _lazy_init() -> None:
    """CUDA need not be started."""


def _is_in_bad_fork() -> bool:
    return False


def is_available() -> bool:
    return True


def is_initialized() -> bool:
    return True


def is_current_stream_capturing() -> bool:
    return False


def device_count() -> int:
    return 1


def current_device() -> int:
    return 0


def set_device(device: Any) -> None:
    """There is but one."""


def synchronize(device: Any = None) -> None:
    wait("torch.cuda.synchronize")


def get_device_properties(device: Any = None) -> SimpleNamespace:
    return SimpleNamespace(name="Pretended GPU", total_memory=MEMORY_BYTES, major=9, minor=0)


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Free and all memory: whatever there is, is free."""
    return MEMORY_BYTES, MEMORY_BYTES


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
    is_current_stream_capturing,
    device_count,
    current_device,
    set_device,
    synchronize,
    set_sync_debug_mode,
    get_device_properties,
    mem_get_info,
    max_memory_allocated,
    reset_peak_memory_stats,
    manual_seed_all,
    get_rng_state,
    set_rng_state,
    get_rng_state_all,
    set_rng_state_all,
)


def tensor(data: Any, *, device: Any = None, **keywords: Any) -> Tensor:
    """torch.tensor, which would make a CUDA tensor without asking the dispatcher."""
    made = _cpu_tensor(data, device=None if is_gpu(device) else device, **keywords)
    if not is_gpu(device):
        return made
    wait("torch.tensor on the GPU")
    return GPUTensor(made)


def pin_memory(self: Tensor, *_: Any) -> Tensor:
    """A copy, as pinning is: without CUDA there is no pinned memory."""
    return self.clone()


def cuda(self: Tensor, *_: Any, **keywords: Any) -> Tensor:
    return self.to("cuda", **keywords)
