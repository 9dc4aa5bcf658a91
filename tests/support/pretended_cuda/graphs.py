"""CUDA graphs of the pretended GPU: operations are recorded, then repeated on the same memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten

from tests.support.pretended_cuda.state import CAPTURES, GENERATOR

GARBAGE = float("nan")


class CUDAGraph:
    """Recorded operations; stands in for torch.cuda.CUDAGraph."""

    def __init__(self) -> None:
        self.operations: list[Callable[[], None]] = []
        self.memory: list[Tensor] = []  # what the operations make, on the CPU
        self._before: dict[int, tuple[Tensor, Tensor]] = {}  # memory that was written to, and a copy of it

    def replay(self) -> None:
        """Repeat the operations; what they made before is garbage, as a graph's memory is used again within it."""
        for tensor in self.memory:
            tensor.fill_(GARBAGE if tensor.is_floating_point() else 1)
        for operation in self.operations:
            operation()

    def keep(self, written: list[Tensor]) -> None:
        """Copy the memory of these tensors, which is about to be written to."""
        for tensor in written:
            memory = tensor.untyped_storage()
            if memory._cdata not in self._before:
                whole = torch.empty(0, dtype=torch.uint8).set_(memory)  # type: ignore[call-overload]
                self._before[memory._cdata] = whole, whole.clone()

    def record(self, repeat: Callable[[], Any], found: Any, given: list[Tensor]) -> None:
        """Record an operation of the tensors `given` and its results on the CPU, which replays overwrite."""
        known = {tensor.untyped_storage()._cdata for tensor in given}
        results = [result for result in tree_flatten(found)[0] if isinstance(result, Tensor)]
        self.memory += [result for result in results if result.untyped_storage()._cdata not in known]

        def operation() -> None:
            for result, new in zip(tree_flatten(found)[0], tree_flatten(repeat())[0], strict=True):
                if isinstance(result, Tensor) and result.data_ptr() != new.data_ptr():
                    result.copy_(new)

        self.operations.append(operation)

    def put_back(self) -> None:
        """Undo what the operations wrote: a GPU computes nothing during a capture."""
        for whole, before in self._before.values():
            whole.copy_(before)


def run(compute: Callable[[], Any], given: list[Tensor], written: list[Tensor]) -> Any:
    """Compute an operation of the tensors `given`, some of which it writes to; a graph being captured records it."""
    if not CAPTURES:
        return compute()
    captured: CUDAGraph = CAPTURES[-1]
    captured.keep(written)
    found = compute()
    captured.record(compute, found, given)
    return found


@contextmanager
def graph(cuda_graph: CUDAGraph, *_: Any, **__: Any) -> Iterator[None]:
    """Capture the operations of the block; stands in for torch.cuda.graph."""
    random_state = GENERATOR.get_state()
    CAPTURES.append(cuda_graph)
    try:
        yield
    finally:
        CAPTURES.pop()
        cuda_graph.put_back()
        GENERATOR.set_state(random_state)


def graph_pool_handle() -> tuple[int, int]:
    return (0, 0)


class Event:
    """A point in a stream's work, which is done at once."""

    def record(self, stream: Any = None) -> None:
        """Do nothing: all work so far is done."""

    def synchronize(self) -> None:
        """Do nothing: all work so far is done."""


class Stream:
    """A stream; all work is done at once and in order."""

    def wait_stream(self, other: "Stream") -> None:
        """Do nothing: the other's work is done."""


@contextmanager
def stream(_: Stream) -> Iterator[None]:
    yield


def current_stream(device: Any = None) -> Stream:
    return Stream()


def is_current_stream_capturing() -> bool:
    return bool(CAPTURES)
