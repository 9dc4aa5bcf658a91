"""Steps as CUDA graphs: launched once, then replayed whole, with no work for Python.

The first calls run as they are, so that kernels are chosen and memory is allocated; they are part of the training. Then
the step is captured. A graph holds addresses and host numbers as they were: inputs are copied to fixed addresses, and
what the step draws on the CPU is drawn again before each replay, in the same order, by `HostTape`. So a captured step
computes what the plain one does, operation by operation.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

WARM_UP = 3  # calls of each shape before the capture
_PINNING = ("aten::pin_memory", "aten::_pin_memory")


class NotCapturableError(RuntimeError):
    """A step whose operations depend on the numbers drawn, so that one graph cannot hold all of its calls."""


class Captured:
    """A step of tensors on a GPU, captured once for each set of shapes and types of its inputs.

    It must not use host numbers that change from call to call, and must return a tensor that needs no gradient.

    Attributes:
        why_not: Why the steps run as they are; empty if they are captured, or are to be.
    """

    def __init__(self, step: Callable[..., Tensor]) -> None:
        self.why_not = ""
        self._step = step
        self._calls: Counter[Any] = Counter()
        self._graphs: dict[Any, _Graph] = {}

    def __call__(self, *inputs: Tensor) -> Tensor:
        key = tuple((tensor.shape, tensor.dtype, tensor.stride()) for tensor in inputs)
        if key in self._graphs:
            return self._graphs[key].replay(inputs)
        self._calls[key] += 1
        if self.why_not:
            return self._step(*inputs)
        if self._calls[key] <= WARM_UP:
            return self._beside(inputs)
        try:
            self._graphs[key] = _Graph(self._step, inputs)
        except RuntimeError as error:  # CUDA's own refusals, too
            self.why_not = str(error).partition("\n")[0]
            return self._step(*inputs)
        return self._graphs[key].replay(inputs)

    def _beside(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Run the step on a stream of its own, as PyTorch expects before a capture."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            output = self._step(*inputs)
        torch.cuda.current_stream().wait_stream(stream)
        return output


class _Graph:
    """A captured step, with the addresses that it reads and writes."""

    def __init__(self, step: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> None:
        self._inputs = [tensor.clone() for tensor in inputs]
        self._graph, self._tape = torch.cuda.CUDAGraph(), HostTape()
        # Nothing is computed while it is captured, but the CPU draws. Relaxed: the draws may allocate pinned memory.
        with torch.random.fork_rng([]), torch.cuda.graph(self._graph, capture_error_mode="relaxed"), self._tape:
            self._output = step(*self._inputs)

    def replay(self, inputs: tuple[Tensor, ...]) -> Tensor:
        for fixed, given in zip(self._inputs, inputs, strict=True):
            fixed.copy_(given)
        self._tape.play()
        self._graph.replay()
        return self._output.clone()  # the next replay overwrites it


class HostTape(TorchDispatchMode):
    """Records the operations on the CPU and the uploads of their results; `play` repeats them.

    An upload returns a tensor that stays at its address, and is filled when the tape is played.
    """

    ignores_kernels = True  # a captured PSE is fused, as in the warm-up (loss.py)

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._nodes: list[_Operation | _Upload] = []
        self._made: list[Tensor] = []  # results, kept so that their ids stay theirs
        self._numbers: dict[int, int] = {}  # of results, by id
        self._drawn: set[int] = set()  # memory whose values change from call to call

    def play(self) -> None:
        """Repeat the operations, with new random numbers, and upload what they return."""
        values: dict[int, Any] = {}
        with torch.no_grad():
            for node in self._nodes:
                node.run(values)

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        leaves, form = tree_flatten((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        name = operation.name().partition(".")[0]
        to_gpu = kwargs.get("device") is not None and torch.device(kwargs["device"]).type == "cuda"
        if name == "aten::_to_copy" and to_gpu and args[0].device.type == "cpu":
            return self._upload(args[0], kwargs.get("dtype"))
        if name == "aten::copy_" and args[0].device.type == "cuda" and args[1].device.type == "cpu":
            return operation(args[0], self._upload(args[1], args[0].dtype))
        of_cpu = [tensor for tensor in tensors if tensor.device.type == "cpu"]
        is_drawn = any(_memory(tensor) in self._drawn for tensor in of_cpu)
        if to_gpu or len(of_cpu) < len(tensors):
            if is_drawn or any(tensor.ndim for tensor in of_cpu):
                raise NotCapturableError(f"{name} combines a CPU's tensor with a GPU's")
            return operation(*args, **kwargs)
        if name in _PINNING:
            return args[0]  # pinned when it is uploaded
        by_mask = any(tensor.dtype in (torch.bool, torch.uint8) for tensor in of_cpu[1:])
        if is_drawn and _depends_on_values(operation) and (by_mask or name != "aten::index"):
            raise NotCapturableError(f"{name} depends on the numbers drawn")
        found = operation(*args, **kwargs)
        self._record(operation, leaves, form, found)
        if is_drawn or torch.Tag.nondeterministic_seeded in operation.tags:
            self._drawn.update(_memory(result) for result in tree_flatten(found)[0] if isinstance(result, Tensor))
        return found

    def _record(self, operation: Any, leaves: list[Any], form: TreeSpec, found: Any) -> None:
        numbers = [self._numbers.get(id(leaf)) for leaf in leaves]
        results = [self._number(result) for result in tree_flatten(found)[0] if isinstance(result, Tensor)]
        if results:
            self._nodes.append(_Operation(operation, leaves, numbers, form, results))

    def _number(self, tensor: Tensor) -> int:
        self._made.append(tensor)
        return self._numbers.setdefault(id(tensor), len(self._made))

    def _upload(self, source: Tensor, dtype: torch.dtype | None) -> Tensor:
        with self:  # a conversion of the type is an operation on the CPU
            source = source if dtype in (None, source.dtype) else source.to(dtype)
        target = torch.empty(source.shape, dtype=source.dtype, device="cuda")
        self._nodes.append(_Upload(source, self._numbers.get(id(source)), target))
        return target


class _Operation:
    """An operation on the CPU; results of earlier ones among its arguments are given by their numbers."""

    def __init__(
        self, operation: Any, leaves: list[Any], numbers: list[int | None], form: TreeSpec, results: list[int]
    ) -> None:
        self.operation, self.leaves, self.numbers, self.form, self.results = operation, leaves, numbers, form, results

    def run(self, values: dict[int, Any]) -> None:
        pairs = zip(self.leaves, self.numbers, strict=True)
        args, kwargs = tree_unflatten([leaf if n is None else values[n] for leaf, n in pairs], self.form)
        found = self.operation(*args, **kwargs)
        tensors = [result for result in tree_flatten(found)[0] if isinstance(result, Tensor)]
        values.update(zip(self.results, tensors, strict=True))


class _Upload:
    """A copy to a fixed address on the GPU, which nothing waits for."""

    def __init__(self, source: Tensor, number: int | None, target: Tensor) -> None:
        self.source, self.number, self.target = source, number, target

    def run(self, values: dict[int, Any]) -> None:
        source: Tensor = self.source if self.number is None else values[self.number]
        self.target.copy_(source.pin_memory(), non_blocking=True)


def _depends_on_values(operation: Any) -> bool:
    return torch.Tag.data_dependent_output in operation.tags or torch.Tag.dynamic_output_shape in operation.tags


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
