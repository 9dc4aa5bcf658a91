"""Tiles put together again."""

from torch import Tensor

from pse_repro.objectives.shared.tiles import GRID


def assemble(tiles_N9CHW: Tensor) -> Tensor:
    """Images (N, C, 3 s, 3 s) of nine tiles each, laid side by side by rows."""
    rows = tiles_N9CHW.unflatten(1, (GRID, GRID))
    return rows.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
