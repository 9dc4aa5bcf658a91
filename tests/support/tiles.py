"""Images whose tiles show their position."""

import torch
from torch import Tensor


def places_shown(count: int, side: int = 96) -> Tensor:
    """Return images (N, 3, side, side) whose channels are each pixel's image number, x and y."""
    image, y, x = torch.meshgrid(torch.arange(count), torch.arange(side), torch.arange(side), indexing="ij")
    return torch.stack([image, x, y], 1).float()


def corners(tiles_NTCHW: Tensor) -> Tensor:
    """Return the corners x and y (N, T, 2) of tiles of such images; assert that each is a window of its image."""
    corners = tiles_NTCHW[..., :1, :1]
    size = tiles_NTCHW.shape[-1]
    within = places_shown(1, size)[0]
    image = torch.arange(len(tiles_NTCHW))[:, None, None, None].expand(-1, tiles_NTCHW.shape[1], size, size)
    assert torch.equal(tiles_NTCHW[:, :, 0], image.float())
    assert torch.equal(tiles_NTCHW[:, :, 1:] - corners[:, :, 1:], within[1:].expand(*tiles_NTCHW.shape[:2], 2, -1, -1))
    return corners[:, :, 1:, 0, 0].long()
