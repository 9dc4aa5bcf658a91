"""State of the pretended GPU: its random number generator, its sync debug mode, and captures."""

import warnings
from typing import Any

import torch

GENERATOR = torch.Generator()  # separate from the CPU's, like a GPU's
SYNC_DEBUG_MODES = ("default", "warn", "error")  # modes of torch.cuda.set_sync_debug_mode; the index is their number
CAPTURES: list[Any] = []  # the CUDA graph that is being captured, if one is
_sync_debug_mode = "default"


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
    if _sync_debug_mode == "error":
        raise RuntimeError(f"called a synchronizing CUDA operation: {cause}")
    if _sync_debug_mode == "warn":
        warnings.warn(f"called a synchronizing CUDA operation: {cause}", stacklevel=2)
