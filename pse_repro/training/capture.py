"""Steps as CUDA graphs: launched once, then replayed whole, with no work for Python.

The first calls run as they are, so that kernels are chosen and memory is allocated; they are part of the training. The
last of them shows whether the step can be captured; then it is. A graph holds addresses and host numbers as they were:
inputs are copied to fixed addresses, and what the step draws on the CPU is drawn again before each replay, in the same
order, by `HostTape`. So a captured step computes what the plain one does, operation by operation.
"""

import functools
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from pse_repro.errors import CellError

WARM_UP = 3  # calls of each shape before the capture
AHEAD = 4  # replays that may wait for the GPU: seconds are measured, and draws kept in memory, when they are launched
_PINNING = ("aten::pin_memory", "aten::_pin_memory")
_INDEXING = ("aten::index", "aten::index_put_")  # shapes depend on values only if a mask is among the indices


@functools.cache
def _stream() -> torch.cuda.Stream:
    """Return the stream of all warm-ups and captures: each stream would keep memory of its own."""
    return torch.cuda.Stream()


class Captured:
    """A step of tensors on a GPU, captured once for each set of shapes and types of its inputs.

    It must not use host numbers that change from call to call, and must return a tensor that needs no gradient.

    Attributes:
        why_not: Why the steps run as they are; empty if they are captured, or are to be.
    """

    def __init__(self, step: Callable[..., Tensor]) -> None:
        self.why_not = ""
        self._step, self._pool = step, torch.cuda.graph_pool_handle()
        self._calls: Counter[Any] = Counter()
        self._tapes: dict[Any, HostTape] = {}
        self._graphs: dict[Any, _Graph] = {}
        self._waiting: deque[torch.cuda.Event] = deque()

    def __call__(self, *inputs: Tensor) -> Tensor:
        if self.why_not:
            return self._step(*inputs)
        key = tuple((tensor.shape, tensor.dtype, tensor.stride()) for tensor in inputs)
        self._calls[key] += 1
        if self._calls[key] < WARM_UP:
            return self._warm_up(inputs, nullcontext())
        if self._calls[key] == WARM_UP:
            tape = self._tapes[key] = HostTape()
            output = self._warm_up(inputs, tape)
            self.why_not = tape.why_not
            return output
        if key not in self._graphs:
            self._graphs[key] = _Graph(self._step, inputs, self._tapes[key], self._pool)
        output = self._graphs[key].replay(inputs)
        self._stay_near()
        return output

    def _warm_up(self, inputs: tuple[Tensor, ...], mode: AbstractContextManager[Any]) -> Tensor:
        """Run the step on another stream than the default one, as PyTorch expects before a capture."""
        _stream().wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(_stream()), mode:
            output = self._step(*inputs)
        torch.cuda.current_stream().wait_stream(_stream())
        return output

    def _stay_near(self) -> None:
        """Let the GPU come within AHEAD replays; it never runs out of work."""
        event = torch.cuda.Event()
        event.record()
        self._waiting.append(event)
        if len(self._waiting) > AHEAD:
            self._waiting.popleft().synchronize()


class _Graph:
    """A captured step, with the addresses that it reads and writes; nothing in its memory outlasts a replay."""

    def __init__(self, step: Callable[..., Tensor], inputs: tuple[Tensor, ...], tape: "HostTape", pool: Any) -> None:
        self._inputs = [tensor.clone() for tensor in inputs]
        self._graph, self._tape = torch.cuda.CUDAGraph(), tape
        # Nothing is computed meanwhile, but the CPU draws. Relaxed: a draw may allocate pinned memory.
        capture = torch.cuda.graph(self._graph, pool, _stream(), "relaxed")
        try:
            with torch.random.fork_rng([]), capture, tape.recording():
                self._output = step(*self._inputs)
            if tape.why_not:
                raise RuntimeError(tape.why_not)
        except RuntimeError as error:  # CUDA's own; what it leaves behind is not fit to go on
            reason = str(error).partition("\n")[0]
            raise CellError(f"a step could not be captured as a CUDA graph ({reason}); try --no-cuda-graphs") from error

    def replay(self, inputs: tuple[Tensor, ...]) -> Tensor:
        for fixed, given in zip(self._inputs, inputs, strict=True):
            fixed.copy_(given)
        self._tape.play()
        self._graph.replay()
        return self._output.clone()  # the next replay overwrites it


class HostTape(TorchDispatchMode):
    """A mode that looks at a step once, records its operations on the CPU at the second time, and can repeat them.

    The uploads of a recorded step return tensors that stay at their addresses, made at the first time: the memory of a
    graph is used again and again within it. They are filled when the tape is played.

    Attributes:
        why_not: Why one graph cannot hold all calls of the step; empty if it can.
    """

    ignores_kernels = True  # a captured PSE is fused, as in the warm-up (loss.py)

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.why_not = ""
        self._targets: list[Tensor] = []  # of the uploads
        self._records = False
        self._nodes: list[_Operation | _Upload] = []
        self._made: list[Tensor] = []  # results, kept so that their ids stay theirs
        self._numbers: dict[int, int] = {}  # of results, by id
        self._drawn: set[int] = set()  # memory whose values change from call to call

    def recording(self) -> "HostTape":
        self._records = True
        self._drawn.clear()
        self._made.clear()
        return self

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
        name, target = operation.name().partition(".")[0], kwargs.get("device")
        to_gpu = target is not None and torch.device(target).type == "cuda"
        if name == "aten::_to_copy" and to_gpu and args[0].device.type == "cpu":
            return self._upload(args[0], kwargs.get("dtype"), lambda: operation(*args, **kwargs))
        if name == "aten::copy_" and args[0].device.type == "cuda" and args[1].device.type == "cpu":
            return operation(args[0], self._upload(args[1], args[0].dtype, lambda: args[1]))
        of_cpu = [tensor for tensor in tensors if tensor.device.type == "cpu"]
        is_drawn = any(_memory(tensor) in self._drawn for tensor in of_cpu)
        if to_gpu or len(of_cpu) < len(tensors):
            if is_drawn or any(tensor.ndim for tensor in of_cpu):
                self._refuse(f"{name} combines a CPU's tensor with a GPU's")
            if (target is not None and not to_gpu) or _depends_on_values(operation, name, tensors):
                self._refuse(f"{name} depends on numbers of the GPU")
            return operation(*args, **kwargs)
        if name in _PINNING:
            return args[0]  # pinned when it is uploaded
        if is_drawn and _depends_on_values(operation, name, tensors):
            self._refuse(f"{name} depends on the numbers drawn")
        found = operation(*args, **kwargs)
        results = [result for result in tree_flatten(found)[0] if isinstance(result, Tensor)]
        if is_drawn or torch.Tag.nondeterministic_seeded in operation.tags:
            self._drawn.update(map(_memory, results))
        self._made += results  # in the first look, too: other memory must not get their addresses
        if self._records and results:
            numbers = [self._numbers.get(id(leaf)) for leaf in leaves]
            self._nodes.append(_Operation(operation, leaves, numbers, form, [*map(self._number, results)]))
        return found

    def _refuse(self, why: str) -> None:
        self.why_not = self.why_not or why

    def _number(self, result: Tensor) -> int:
        return self._numbers.setdefault(id(result), len(self._numbers))

    def _upload(self, source: Tensor, dtype: torch.dtype | None, plain: Callable[[], Tensor]) -> Tensor:
        if not self._records:
            self._targets.append(torch.zeros(source.shape, dtype=dtype or source.dtype, device="cuda"))
            return plain()
        with self:  # a conversion of the type is an operation on the CPU
            source = source if dtype in (None, source.dtype) else source.to(dtype)
        target = self._targets[sum(isinstance(node, _Upload) for node in self._nodes)]
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


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _depends_on_values(operation: Any, name: str, tensors: list[Tensor]) -> bool:
    """Return True if the operation's result, or its shape, depends on numbers that are known only when it runs."""
    tags = torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape
    if name in _INDEXING:
        return any(tensor.dtype in (torch.bool, torch.uint8) for tensor in tensors[1:])
    return any(tag in operation.tags for tag in tags)
