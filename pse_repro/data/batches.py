"""Batches of images on the device: kept as uint8 until served, without worker processes.

Shapes: B images of a batch, (B, 3, 96, 96); their rows as stored on a GPU, (B, 96, 96, 3) uint8, pixel by pixel.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from pse_repro.data.stl10 import Split
from pse_repro.machine.device import free_gpu_bytes

MODEL_BYTES = 5_000_000_000  # GPU memory reserved for training: the ResNet takes 3.6 GB
_BLOCK = 2048  # images per upload


class Images:
    """A split's images, served by index as floats in [0, 1].

    On a GPU the whole split is stored once, as uint8, if it fits into the memory; else its images are copied batch by
    batch from the memory map. On a CPU they are read from the memory map.

    Attributes:
        place: The device on which positions are used, so that nothing waits for a GPU.
    """

    def __init__(self, split: Split, device: torch.device, indices: np.ndarray | None = None) -> None:
        self.device, self.stored_NCWH = device, torch.from_numpy(split.stored_NCWH)
        self.rows_NHWC = _uploaded(split, device) if device.type == "cuda" else None
        self.place = torch.device("cpu") if self.rows_NHWC is None else device
        self.indices: Tensor | None = None if indices is None else to_device(torch.from_numpy(indices), self.place)

    def __len__(self) -> int:
        return len(self.stored_NCWH) if self.indices is None else len(self.indices)

    def __getitem__(self, positions: Tensor) -> Tensor:
        """Return the images (B, 3, 96, 96) in [0, 1], channels last, at `positions` (B,) within this object."""
        return as_floats(self.rows(positions))

    def rows(self, positions: Tensor) -> Tensor:
        """Return the images at `positions` (B,) as they are stored, on the device: (B, 96, 96, 3) uint8."""
        chosen = to_device(positions, self.place)
        if self.indices is not None:
            chosen = self.indices[chosen]
        if self.rows_NHWC is not None:
            return self.rows_NHWC[chosen]
        return to_device(self.stored_NCWH[chosen], self.device).permute(0, 3, 2, 1)


def as_floats(rows_NHWC: Tensor) -> Tensor:
    """Return images (B, 3, 96, 96) in [0, 1], channels last, of their rows."""
    images_NCHW = rows_NHWC.permute(0, 3, 1, 2).to(torch.float32).div_(255)
    return images_NCHW.contiguous(memory_format=torch.channels_last)


def _uploaded(split: Split, device: torch.device) -> Tensor | None:
    """Return the whole split's rows on the GPU, uploaded at the first call; None if they do not fit."""
    if device not in split.on_devices:
        count, channels, width, height = split.stored_NCWH.shape
        if split.stored_NCWH.nbytes + MODEL_BYTES >= free_gpu_bytes(device):
            return None
        rows_NHWC = torch.empty(count, height, width, channels, dtype=torch.uint8, device=device)
        for start in range(0, count, _BLOCK):
            block_NCWH = torch.from_numpy(split.stored_NCWH[start : start + _BLOCK])
            rows_NHWC[start : start + _BLOCK] = to_device(block_NCWH, device).permute(0, 3, 2, 1)
        split.on_devices[device] = rows_NHWC
    return split.on_devices[device]


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return the tensor on the device; a copy to a GPU is not waited for, as it is made from pinned memory."""
    if tensor.device.type == device.type:  # compares types only, as "cuda" is not equal to "cuda:0"
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def batches(
    count: int,
    size: int,
    generator: torch.Generator | None = None,
    drop_last: bool = False,
    device: torch.device | None = None,
) -> Iterator[Tensor]:
    """Yield the positions 0..count-1 in batches of `size`: shuffled by `generator` if given, else in order.

    They are on `device` (default: the CPU), copied there at once.
    """
    order = torch.arange(count) if generator is None else torch.randperm(count, generator=generator)
    if device is not None:
        order = to_device(order, device)
    stop = count - count % size if drop_last else count
    for start in range(0, stop, size):
        yield order[start : start + size]
