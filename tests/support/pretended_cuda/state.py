"""State of the pretended GPU: its random numbers, sync debug mode, captures, and counts of what it was asked for."""

import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

GENERATOR = torch.Generator()  # separate from the CPU's, like a GPU's
SYNC_DEBUG_MODES = ("default", "warn", "error")  # modes of torch.cuda.set_sync_debug_mode; the index is their number
CAPTURES: list[Any] = []  # the CUDA graph that is being captured, if one is
_sync_debug_mode = "default"


@dataclass
class Counts:
    """What the GPU was asked for since `counted` began; empty on a real GPU."""

    waits: list[str] = field(default_factory=list)  # causes, each with the line of the kit that it comes from
    uploads: list["Upload"] = field(default_factory=list)
    work: list["Work"] = field(default_factory=list)

    def pageable(self, allowed_bytes: int) -> list[str]:
        """Return the copies of more than `allowed_bytes` from memory of the CPU that is not pinned.

        The driver copies up to 64 KB into its own memory first, and the program goes on. For more, it waits.
        """
        wrong = [upload for upload in self.uploads if not upload.pinned and upload.bytes > allowed_bytes]
        return [f"{upload.bytes:,} bytes {upload.place}" for upload in wrong]

    def operations(self) -> int:
        """Return the number of operations that launch something: no views, no empty memory."""
        return len(self.work)

    def kernels(self) -> int:
        """Return the number of kernels and copies that the operations launch."""
        return sum(work.kernels for work in self.work)


@dataclass(frozen=True)
class Upload:
    """A copy from the CPU to the GPU."""

    bytes: int
    pinned: bool
    place: str


@dataclass(frozen=True)
class Work:
    """An operation on the GPU: kernels it launches, bytes it reads and writes, and the FLOP of its matrix work."""

    name: str
    kernels: int
    bytes: int
    flop: int
    dtype: torch.dtype  # of its result


_counts: Counts | None = None


@contextmanager
def counted() -> Iterator[Counts]:
    """Count what the GPU is asked for inside the block."""
    global _counts
    before, _counts = _counts, Counts()
    try:
        yield _counts
    finally:
        _counts = before


def counts() -> Counts | None:
    """Return the counts in progress, if any."""
    return _counts


def set_sync_debug_mode(mode: str | int) -> None:
    """Set the mode of `wait`; replaces torch.cuda's function of this name."""
    global _sync_debug_mode
    _sync_debug_mode = SYNC_DEBUG_MODES[mode] if isinstance(mode, int) else mode


def wait(cause: str) -> None:
    """Mark a point where a program would wait for a GPU.

    Warn in the mode "warn"; raise RuntimeError in the mode "error" or during a capture.
    """
    if CAPTURES:
        raise RuntimeError(f"operation not permitted when stream is capturing: {cause}")
    if _counts is not None:
        _counts.waits.append(f"{cause} {_place()}")
    if _sync_debug_mode == "error":
        raise RuntimeError(f"called a synchronizing CUDA operation: {cause}")
    if _sync_debug_mode == "warn":
        warnings.warn(f"called a synchronizing CUDA operation: {cause}", stacklevel=2)


def upload(source: Tensor) -> None:
    """Count a copy of a tensor of the CPU to the GPU."""
    if _counts is not None:
        _counts.uploads.append(Upload(source.numel() * source.element_size(), is_pinned(source), _place()))


def pinned(tensor: Tensor) -> Tensor:
    """Mark the memory of a tensor of the CPU as pinned, and with it all its views; there is no such memory here."""
    tensor.untyped_storage().pretended_pinned = True  # type: ignore[attr-defined]
    return tensor


def is_pinned(tensor: Tensor) -> bool:
    """Return True for a tensor in memory that `pinned` marked."""
    return getattr(tensor.untyped_storage(), "pretended_pinned", False)


def _place() -> str:
    """Return the innermost line of the kit that is being executed; PyTorch's backward pass has none."""
    for frame in reversed(traceback.extract_stack()):
        if "/pse_repro/" in frame.filename:
            return f"in {frame.filename.rpartition('/pse_repro/')[2]}:{frame.lineno}"
    return "in no file of the kit"
