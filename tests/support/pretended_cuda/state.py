"""What the pretended GPU keeps: its random numbers, and whether it is an error to wait for it."""

import torch

GENERATOR = torch.Generator()  # apart from the CPU's, as a GPU's is
SYNC_DEBUG_MODES = ("default", "warn", "error")  # of torch.cuda.set_sync_debug_mode, by name or number
_sync_debug_mode = "default"


def set_sync_debug_mode(mode: str | int) -> None:
    """Choose what `wait` does, in the place of torch.cuda's function of this name."""
    global _sync_debug_mode
    _sync_debug_mode = SYNC_DEBUG_MODES[mode] if isinstance(mode, int) else mode


def wait(cause: str) -> None:
    """Say that a program would wait here for what a GPU is doing; RuntimeError where that is an error."""
    if _sync_debug_mode == "error":
        raise RuntimeError(f"called a synchronizing CUDA operation: {cause}")
