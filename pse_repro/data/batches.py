"""Batches of images on the device: kept as uint8 until served, without worker processes.

Shapes: B images of a batch, (B, 3, 96, 96); N images of a split.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pse_repro.data.stl10 import Split

MODEL_BYTES = 5_000_000_000  # GPU memory reserved for training: the ResNet takes 3.6 GB


class Images:
    """A split's images, served by index as floats in [0, 1].

    On a GPU they are stored as uint8 if they fit into its memory, else copied batch by batch from the memory map. On a
    CPU they are read from the memory map.
    """

    def __init__(self, split: Split, device: torch.device, indices: np.ndarray | None = None) -> None:
        self.stored_NCWH = torch.from_numpy(split.stored_NCWH)
        self.device = device
        self.indices: Tensor | None = None if indices is None else torch.from_numpy(indices)
        needed = len(self) * self.stored_NCWH[0].numel() + MODEL_BYTES
        if device.type == "cuda" and needed < torch.cuda.mem_get_info(device)[0]:
            chosen = self.stored_NCWH if self.indices is None else self.stored_NCWH[self.indices]
            self.stored_NCWH, self.indices = chosen.to(device), None

    def __len__(self) -> int:
        return len(self.stored_NCWH) if self.indices is None else len(self.indices)

    def __getitem__(self, positions: Tensor) -> Tensor:
        """Return the images (B, 3, 96, 96) in [0, 1], channels last, at `positions` (B,) within this object."""
        chosen = positions if self.indices is None else self.indices[positions]
        batch = self.stored_NCWH[chosen.to(self.stored_NCWH.device)]
        if batch.device.type != self.device.type:  # compares types only, as "cuda" is not equal to "cuda:0"
            batch = batch.pin_memory().to(self.device, non_blocking=True)
        images_NCHW = batch.transpose(-1, -2).to(torch.float32).div_(255)
        return images_NCHW.contiguous(memory_format=torch.channels_last)


def batches(
    count: int, size: int, generator: torch.Generator | None = None, drop_last: bool = False
) -> Iterator[Tensor]:
    """Yield the positions 0..count-1 in batches of `size`: shuffled by `generator` if given, else in order."""
    order = torch.arange(count) if generator is None else torch.randperm(count, generator=generator)
    stop = count - count % size if drop_last else count
    for start in range(0, stop, size):
        yield order[start : start + size]
