"""What an operation costs a GPU: kernels, bytes and matrix work, from its arguments' shapes."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils.flop_counter import flop_registry

from tests.support.pretended_cuda.state import Work

# Operations that only take memory, or describe memory anew without declaring it as a view.
NO_LAUNCH = {"_unsafe_view", "empty", "empty_like", "empty_strided", "lift_fresh", "new_empty", "new_empty_strided"}
# Operations that read of their first argument only as much as their result has, or write as much as they are given.
OF_A_PART = {"index", "index_select", "gather", "_unsafe_index", "index_put_", "_index_put_impl_", "index_add_"}
# Kernels of operations that launch several: of cuDNN and PyTorch, without layout conversions, of which there are none
# in channels last. Others launch one.
KERNELS = {"cudnn_batch_norm": 3, "cudnn_batch_norm_backward": 2, "convolution_backward": 5, "sort": 3, "topk": 3}
LIST_LENGTH = 36  # tensors that a kernel for four lists takes at once (ATen/native/cuda/MultiTensorApply.cuh)


def work_of(operation: OpOverload, arguments: Sequence[Any], found: Any) -> list[Work]:
    """Return an operation's work, or an empty list if it launches nothing."""
    name = operation._schema.name.removeprefix("aten::")
    if name in NO_LAUNCH or _is_view(operation):
        return []
    given, results = [*filter(on_gpu, tensors_of(arguments))], [*tensors_of([found])]
    if name in OF_A_PART:
        smaller = given[-1:] if name.endswith("_") else results
        given = [*given[1:], *smaller]
        results = smaller
    count = flop_registry.get(operation.overloadpacket)
    flop = count(*arguments, out_val=found) if count else 0
    dtype = results[0].dtype if results else torch.float32
    return [Work(name, _kernels(name, arguments), sum(map(_bytes, [*given, *results])), flop, dtype)]


def _is_view(operation: OpOverload) -> bool:
    returned = [result.alias_info for result in operation._schema.returns]
    return bool(returned) and all(alias is not None and not alias.is_write for alias in returned)


def _kernels(name: str, arguments: Sequence[Any]) -> int:
    if name == "convolution":
        return 1 if arguments[2] is None else 2  # its bias is added by another one
    if name.startswith(("_foreach", "_fused")):
        return -(-len(arguments[0]) // LIST_LENGTH)
    return KERNELS.get(name, 1)


def _bytes(tensor: Tensor) -> int:
    """Return the bytes of a tensor's numbers; repeated ones, of an expanded tensor, count once."""
    count = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        count *= size if stride else 1
    return count * tensor.element_size()


def on_gpu(value: object) -> bool:
    """Return True for a tensor of the pretended GPU."""
    return isinstance(value, Tensor) and is_gpu(value.device)


def is_gpu(device: torch.device | str | None) -> bool:
    """Return True for the pretended GPU."""
    if isinstance(device, str):
        device = torch.device(device)
    return device is not None and device.type == "cuda"


def tensors_of(values: Iterable[Any]) -> Iterator[Tensor]:
    """Yield the tensors among an operation's arguments, including those in lists."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_of(value)
