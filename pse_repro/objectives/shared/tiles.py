"""Tiles of images for objectives that use parts of them: cut at given positions, encoded as small images.

Random numbers come from PyTorch's global generator on the CPU.
Shapes: images_NCHW (N, 3, H, W); T tiles of an image, each s x s pixels; the nine tiles of a grid by rows; D latent
values; x of a column, y of a row, both counted in pixels from the upper left corner.
"""

import torch
from torch import Tensor, nn

GRID = 3  # tiles per side


def grid_tiles(images_NCHW: Tensor, size: int, gap: bool = True) -> Tensor:
    """Return the 3 x 3 tiles (N, 9, 3, s, s) of square images, with sides of `size` pixels.

    With a gap, each tile is at a random position in its own ninth of the image (96: cells of 32, so tiles of 24 are
    8 pixels apart on average, 0 to 16). Without, the nine tiles adjoin, and their block is at a random position. The
    maximum size is a third of the image's side, for which both give the whole image.

    Raises:
        ValueError: size out of range, or images that are not square.
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
    """Return the upper left corners (9, 2), x and y, of a 3 x 3 grid with cells of `step` pixels, by rows."""
    steps = step * torch.arange(GRID)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1)


def cut(images_NCHW: Tensor, places_NT2: Tensor, size: int) -> Tensor:
    """Cut tiles (N, T, 3, s, s) at the upper left corners (x, y), which are on the CPU; memory is channels last."""
    device = images_NCHW.device
    x, y = (places_NT2.to(device, non_blocking=True)[..., None] + torch.arange(size, device=device)).unbind(2)
    pixels = (y[..., :, None] * images_NCHW.shape[-1] + x[..., None, :]).flatten(1)
    images_NPC = images_NCHW.permute(0, 2, 3, 1).flatten(1, 2)
    image = torch.arange(len(images_NCHW), device=device)[:, None]
    tiles = images_NPC[image, pixels].unflatten(1, (places_NT2.shape[1], size, size))
    return tiles.permute(0, 1, 4, 2, 3)


def reordered(each_NT: Tensor, orders_NT: Tensor) -> Tensor:
    """Return what belongs to each image's tiles reordered: `orders_NT`, on the CPU, has the tile for each place."""
    image = torch.arange(len(each_NT), device=each_NT.device)[:, None]
    return each_NT[image, orders_NT.to(each_NT.device, non_blocking=True)]


def tile_latents(encoder: nn.Module, tiles_NTCHW: Tensor) -> Tensor:
    """Return latents (N, T, D) of the tiles, each encoded as a small image by the same encoder."""
    latents: Tensor = encoder(tiles_NTCHW.flatten(0, 1).contiguous(memory_format=torch.channels_last))
    return latents.unflatten(0, tiles_NTCHW.shape[:2])
