"""What every evaluation with folds has in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from pse_repro.config.protocol import Protocol
from pse_repro.data.folds import as_text
from pse_repro.data.stl10 import Dataset
from pse_repro.evaluation.cost import Work
from pse_repro.machine.device import Machine
from pse_repro.training.classifier import FitResult

AfterEpoch = Callable[[int, int, float], None]  # called with the fold's number, the epoch and its loss


@dataclass(frozen=True)
class Setup:
    """What an evaluation is built from; `name` is what its random numbers are derived from."""

    name: str
    encoder: str
    protocol: Protocol
    data: Dataset
    machine: Machine


@dataclass(frozen=True)
class FoldResult:
    """One fold's classifier on the test set: probabilities (N, 10) in test_X's order, and how it was trained.

    `seconds` that it took: its own, and its share of what folds did together.
    """

    probabilities_NK: np.ndarray
    fitted: FitResult
    seconds: float


class FoldEvaluation(ABC):
    """One evaluation of one pre-trained encoder, fold by fold.

    `size` of the batches and `test_order` are switch 12's. A fold takes `max_epochs` of `images_per_epoch` at most.
    `note` is for people: what is not as the name says, or empty. `loss` names the one that `after_epoch` is called
    with: validation_loss, train_loss, or empty where nothing is fitted by its loss.
    """

    loss = "validation_loss"
    note = ""
    max_epochs = 1

    def __init__(self, setup: Setup) -> None:
        self.name, self.encoder_name = setup.name, setup.encoder
        self.protocol, self.data, self.machine = setup.protocol, setup.data, setup.machine
        self.size = setup.protocol.settings.batch_size
        self.test_order = as_text(setup.data.test.stored_labels)
        self.images_per_epoch = len(setup.data.train)

    @abstractmethod
    def run(
        self, numbers: Sequence[int], new_encoder: Callable[[], nn.Module], after_epoch: AfterEpoch
    ) -> Iterator[tuple[int, FoldResult]]:
        """Each of the folds `numbers` (from 1) when it is done; what it gives does not depend on the others.

        They start from the pre-trained weights and buffers that `new_encoder` gives, which is on the device.
        """

    @classmethod
    def seconds(cls, work: Work, **options: Any) -> float:
        """Return how long all folds take at least, built with `options`: features of all images, once."""
        return work.features
