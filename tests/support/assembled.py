"""Images assembled from tiles."""

from torch import Tensor

from pse_repro.objectives.shared.tiles import GRID


def assemble(tiles_N9CHW: Tensor) -> Tensor:
    """Return images (N, C, 3 s, 3 s), each assembled from nine tiles in rows."""
    rows = tiles_N9CHW.unflatten(1, (GRID, GRID))
    return rows.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
