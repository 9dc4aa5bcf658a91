"""State of the pretended GPU: its random number generator, and its sync debug mode."""

import torch

GENERATOR = torch.Generator()  # separate from the CPU's, like a GPU's
SYNC_DEBUG_MODES = ("default", "warn", "error")  # modes of torch.cuda.set_sync_debug_mode; the index is their number
_sync_debug_mode = "default"


def set_sync_debug_mode(mode: str | int) -> None:
    """Set the mode of `wait`; replaces torch.cuda's function of this name."""
    global _sync_debug_mode
    _sync_debug_mode = SYNC_DEBUG_MODES[mode] if isinstance(mode, int) else mode


def wait(cause: str) -> None:
    """Mark a point where a program would wait for a GPU; raise RuntimeError in the mode "error"."""
    if _sync_debug_mode == "error":
        raise RuntimeError(f"called a synchronizing CUDA operation: {cause}")
