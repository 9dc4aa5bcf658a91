"""PyTorch's operations on the pretended GPU: computed on the CPU, unless a GPU would refuse them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from tests.support.pretended_cuda.graphs import run
from tests.support.pretended_cuda.state import CAPTURES, GENERATOR, counts, pinned, upload, wait
from tests.support.pretended_cuda.work import is_gpu, on_gpu, tensors_of, work_of

Wrap = Callable[[Tensor], Tensor]
Arguments = tuple[Any, ...]
Keywords = dict[str, Any]

INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put"}
# Operations whose result has a size that depends on the values, or whose values the CPU reads.
WAITING = {"_local_scalar_dense", "_unique2", "bincount", "equal", "masked_select", "nonzero", "_linalg_eigh"}

ALLOCATIONS = {"empty", "empty_like", "empty_strided", "new_empty"}

# Operations without a deterministic form on a GPU: of the list at torch.use_deterministic_algorithms, those whose
# gradients or values a network like the kit's could ask for.
NOT_DETERMINISTIC = {
    "_adaptive_avg_pool2d_backward", "adaptive_max_pool2d_backward", "grid_sampler_2d_backward", "histc", "median",
    "nll_loss2d_forward", "put_", "reflection_pad2d_backward", "scatter_reduce", "upsample_bicubic2d_backward",
    "upsample_bilinear2d_backward", "upsample_linear1d_backward",
}  # fmt: skip


def operate(operation: OpOverload, arguments: Arguments, keywords: Keywords, wrap: Wrap) -> Any:
    """Run an operation, on the GPU if it is its own; `wrap` turns results into tensors of the GPU.

    Raises RuntimeError if a GPU would refuse it.
    """
    tensors = [*tensors_of(arguments), *tensors_of(keywords.values())]
    target = keywords.get("device")
    if not any(map(on_gpu, tensors)) and not is_gpu(target):
        mark = pinned if keywords.pop("pin_memory", None) else _same
        return mark(operation(*arguments, **keywords))
    found = _operate(operation, arguments, keywords, wrap)
    if progress := counts():
        progress.work += work_of(operation, arguments, found)
    return found


def _same(value: Any) -> Any:
    return value


def _operate(operation: OpOverload, arguments: Arguments, keywords: Keywords, wrap: Wrap) -> Any:
    """Run an operation of the GPU."""
    tensors, target = [*tensors_of(arguments), *tensors_of(keywords.values())], keywords.get("device")
    name = operation._schema.name.removeprefix("aten::")
    if name in COPIES:
        return COPIES[name](*arguments, wrap=wrap, **keywords)
    refuse(name, arguments, keywords, tensors)
    if name in NOT_DETERMINISTIC and torch.are_deterministic_algorithms_enabled():
        raise RuntimeError(f"{name} does not have a deterministic implementation")
    if name in WAITING:
        wait(name)
    arguments_on_cpu = changed(arguments, numbers)
    keywords_on_cpu = {name: changed(value, numbers) for name, value in keywords.items()}
    if target is not None:
        keywords_on_cpu["device"] = torch.device("cpu")

    def compute() -> Any:
        with _own_random_numbers(operation):
            return STAND_INS.get(name, operation)(*arguments_on_cpu, **keywords_on_cpu)

    written = _written(operation, arguments, keywords)
    unsaid = [arguments[position] for position in WRITTEN_UNSAID.get(name, ())]
    if name in ALLOCATIONS and CAPTURES:  # a graph does not allocate; zeros are valid where they are used as indices
        found = compute().zero_()
        CAPTURES[-1].memory.append(found)
        return wrap(found)
    found = run(compute, [*map(numbers, tensors)], [numbers(tensor) for tensor in tensors_of([*written, *unsaid])])
    if target is not None and not is_gpu(target):
        return found
    return _results(operation, found, written, wrap)


def changed(value: Any, change: Wrap) -> Any:
    """Return a value with its tensors changed, including those in lists."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, list | tuple):
        return type(value)(changed(each, change) for each in value)
    return value


def numbers(tensor: Tensor) -> Tensor:
    """Return the CPU tensor of a GPU tensor; other tensors are returned unchanged."""
    return tensor.inner if on_gpu(tensor) else tensor  # type: ignore[attr-defined, no-any-return]


def refuse(name: str, arguments: Arguments, keywords: Keywords, tensors: Sequence[Tensor]) -> None:
    """Raise RuntimeError if a GPU does not accept these arguments."""
    generator = keywords.get("generator")
    if generator is not None and generator.device.type == "cpu":
        raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    if name == "_fused_adam_":
        _refuse_other_layouts(*arguments[:4])
    of_cpu = [tensor for tensor in tensors if not on_gpu(tensor) and tensor.dim() > 0]
    if not of_cpu:
        return
    if name not in INDEXING:
        raise RuntimeError(f"Expected all tensors to be on the same device, but found cuda:0 and cpu, in {name}")
    if not on_gpu(arguments[0]):
        raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
    if any(not on_gpu(values) and values.dim() > 0 for values in arguments[2:3] if isinstance(values, Tensor)):
        raise RuntimeError(f"Expected the values on the device of the indexed tensor (cuda:0), in {name}")
    wait("the upload of indices")


def _refuse_other_layouts(*lists: Sequence[Tensor]) -> None:
    """Raise RuntimeError for different layouts, as PyTorch's joint update of weights (ATen/native/ForeachUtils.h)."""
    for weights, *others in zip(*lists, strict=True):
        for other in others:
            strides = zip(weights.shape, weights.stride(), other.stride(), strict=True)
            if any(size != 1 and ours != theirs for size, ours, theirs in strides):
                raise RuntimeError("params, grads, exp_avgs, and exp_avg_sqs must have same dtype, device, and layout")


def _to_copy(source: Tensor, *, wrap: Wrap, **keywords: Any) -> Tensor:
    """Copy to another device, type or layout."""
    to_gpu = is_gpu(keywords.pop("device", None) or source.device)
    keywords.pop("pin_memory", None)
    _check_copy(to_gpu, source, bool(keywords.get("non_blocking")))
    copied: Tensor = run(lambda: torch.ops.aten._to_copy(numbers(source), **keywords), [numbers(source)], [])
    return wrap(copied) if to_gpu else copied


def _copy_into(target: Tensor, source: Tensor, non_blocking: bool = False, *, wrap: Wrap) -> Tensor:
    """Copy into an existing tensor; `wrap` is not used."""
    _check_copy(on_gpu(target), source, non_blocking)
    run(
        lambda: torch.ops.aten.copy_(numbers(target), numbers(source)),
        [numbers(target), numbers(source)],
        [numbers(target)],
    )
    return target


def _check_copy(to_gpu: bool, source: Tensor, non_blocking: bool) -> None:
    """Wait for a copy between devices that is not asynchronous, or that a capture cannot hold; count an upload."""
    if to_gpu != on_gpu(source) and (CAPTURES or not non_blocking):
        wait("a copy between the CPU and the GPU")
    if to_gpu and not on_gpu(source):
        upload(source)


def _batch_norm(
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor | None,
    running_variance: Tensor | None,
    training: bool,
    momentum: float,
    epsilon: float,
) -> tuple[Tensor, ...]:
    """Return cuDNN's outputs: the CPU's result, and an empty tensor for what cuDNN saves for backward."""
    statistics = (running_mean, running_variance)
    found = torch.ops.aten.native_batch_norm(inputs, weight, bias, *statistics, training, momentum, epsilon)
    return (*found, torch.empty(0, dtype=torch.uint8))


def _batch_norm_backward(
    inputs: Tensor,
    gradient: Tensor,
    weight: Tensor,
    running_mean: Tensor | None,
    running_variance: Tensor | None,
    mean: Tensor,
    inverse_deviation: Tensor,
    epsilon: float,
    _notes: Tensor,
) -> tuple[Tensor, ...]:
    """Return the gradients of inputs, weight and bias; the arguments are in cuDNN's order."""
    statistics = (running_mean, running_variance, mean, inverse_deviation)
    wanted = [True, True, True]
    return torch.ops.aten.native_batch_norm_backward(gradient, inputs, weight, *statistics, True, epsilon, wanted)


WRITTEN_UNSAID = {"cudnn_batch_norm": (3, 4), "native_batch_norm": (3, 4)}  # arguments; schemas do not tell of them
COPIES = {"_to_copy": _to_copy, "copy_": _copy_into}
STAND_INS = {"cudnn_batch_norm": _batch_norm, "cudnn_batch_norm_backward": _batch_norm_backward}


@contextmanager
def _own_random_numbers(operation: OpOverload) -> Iterator[None]:
    """Let a random operation use the GPU's generator, and leave the CPU's unchanged."""
    if torch.Tag.nondeterministic_seeded not in operation.tags:
        yield
        return
    of_cpu = torch.default_generator.get_state()
    torch.default_generator.set_state(GENERATOR.get_state())
    try:
        yield
    finally:
        GENERATOR.set_state(torch.default_generator.get_state())
        torch.default_generator.set_state(of_cpu)


def _written(operation: OpOverload, arguments: Arguments, keywords: Keywords) -> list[Any]:
    """Return the arguments that the operation writes to."""
    written = []
    for position, declared in enumerate(operation._schema.arguments):
        if declared.alias_info is not None and declared.alias_info.is_write:
            given = arguments[position] if position < len(arguments) else keywords.get(declared.name)
            written.append(given)
    return written


def _results(operation: OpOverload, found: Any, written: list[Any], wrap: Wrap) -> Any:
    """Wrap the results; arguments that were written to are returned as the same objects."""
    declared = operation._schema.returns
    given = iter(written)
    results = []
    for returned, value in zip(declared, found if len(declared) > 1 else [found], strict=False):
        is_given = returned.alias_info is not None and returned.alias_info.is_write
        results.append(next(given) if is_given else changed(value, wrap))
    if not declared:
        return None
    return tuple(results) if len(declared) > 1 else results[0]
