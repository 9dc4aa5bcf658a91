"""Tiles of images, for the objectives that look at pieces of them: cut at given places, encoded as small images.

What is drawn comes from PyTorch's global generator on the CPU.
Shapes: images_NCHW (N, 3, H, W); T tiles of an image, each s x s pixels; the nine tiles of a grid by rows; D latent
values; x of a column, y of a row, both counted in pixels from the upper left corner.
"""

import torch
from torch import Tensor, nn

GRID = 3  # tiles a side


def grid_tiles(images_NCHW: Tensor, size: int, gap: bool = True) -> Tensor:
    """The 3 x 3 tiles (N, 9, 3, s, s) of square images, `size` pixels a side.

    With a gap each tile lies at a random place of its own ninth of the image (96: cells of 32, so that tiles of 24 are
    8 pixels apart on average, 0 to 16). Without, the nine adjoin, and their block lies at a random place in the image.
    A third of the image's side is the largest size; there both give the whole image. ValueError for another size.
    """
    side = images_NCHW.shape[-1]
    cell = side // GRID
    if images_NCHW.shape[-2] != side or not 1 <= size <= cell:
        height, width = images_NCHW.shape[-2:]
        raise ValueError(f"tiles of {size} from images of {height} x {width}; expected squares, tiles of 1 to a third")
    count = len(images_NCHW)
    if gap:
        return cut(images_NCHW, grid_places(cell) + torch.randint(cell - size + 1, (count, GRID * GRID, 2)), size)
    return cut(images_NCHW, grid_places(size) + torch.randint(side - GRID * size + 1, (count, 1, 2)), size)


def grid_places(step: int) -> Tensor:
    """The upper left corners (9, 2), x and y, of a 3 x 3 grid of that many pixels, by rows."""
    steps = step * torch.arange(GRID)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1)


def cut(images_NCHW: Tensor, places_NT2: Tensor, size: int) -> Tensor:
    """Tiles (N, T, 3, s, s) whose upper left corners (x, y) are given, on the CPU; their memory is channels last."""
    within = torch.arange(size)
    x, y = (places_NT2[..., None] + within).unbind(2)
    pixels = y[..., :, None] * images_NCHW.shape[-1] + x[..., None, :]
    pixels = pixels.flatten(1).to(images_NCHW.device, non_blocking=True)
    images_NPC = images_NCHW.permute(0, 2, 3, 1).flatten(1, 2)
    image = torch.arange(len(images_NCHW), device=images_NCHW.device)[:, None]
    tiles = images_NPC[image, pixels].unflatten(1, (places_NT2.shape[1], size, size))
    return tiles.permute(0, 1, 4, 2, 3)


def tile_latents(encoder: nn.Module, tiles_NTCHW: Tensor) -> Tensor:
    """Latents (N, T, D): the same encoder for all tiles, each taken as a small image."""
    latents: Tensor = encoder(tiles_NTCHW.flatten(0, 1).contiguous(memory_format=torch.channels_last))
    return latents.unflatten(0, tiles_NTCHW.shape[:2])
