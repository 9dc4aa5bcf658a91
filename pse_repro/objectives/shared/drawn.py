"""Images with a number each (their class, their caption): drawn for training, held out for the curves.

Shapes: N images (N, 3, 96, 96) in [0, 1] and their numbers (N,).
"""

import numpy as np
import torch
from torch import Tensor

from pse_repro.data.augment.steps import Augmentation
from pse_repro.data.batches import Images
from pse_repro.data.stl10 import Split


class DrawnImages:
    """Images of a split, with a number each: those at the indices `trained`, and those at `held_out`.

    `augment` changes the images that are drawn, whatever switch 4, because they are few and seen many times.
    """

    def __init__(
        self, split: Split, numbers_N: np.ndarray, parts: tuple[np.ndarray, np.ndarray], device: torch.device
    ) -> None:
        self.augment: Augmentation | None = None
        self._device = device
        numbers = torch.from_numpy(numbers_N)
        (self._train, self._train_numbers), (self._held_out, self._held_out_numbers) = (
            (Images(split, device, part), numbers[torch.from_numpy(part)].to(device)) for part in parts
        )

    def __len__(self) -> int:
        """Return the number of training images."""
        return len(self._train)

    def draw(self, count: int) -> tuple[Tensor, Tensor]:
        """Draw training images and their numbers, with replacement, and augment the images."""
        positions = torch.randint(len(self._train), (count,)).to(self._device, non_blocking=True)
        images = self._train[positions]
        return (images if self.augment is None else self.augment(images)), self._train_numbers[positions]

    def held_out(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return one held-out image and its number per position (N,); positions wrap around."""
        positions = positions % len(self._held_out)
        return self._held_out[positions], self._held_out_numbers[positions]
