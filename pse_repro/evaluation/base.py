"""Base class of the evaluations with folds, their inputs and their results."""

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

AfterEpoch = Callable[[int, int, float], None]  # receives the fold's number, the epoch and its loss


@dataclass(frozen=True)
class Setup:
    """Inputs of an evaluation; its random numbers are derived from `name`."""

    name: str
    encoder: str
    protocol: Protocol
    data: Dataset
    machine: Machine


@dataclass(frozen=True)
class FoldResult:
    """One fold's classifier on the test set: probabilities (N, 10) in test_X's order, and its training history.

    `seconds` are the fold's own time and its share of the work done jointly for several folds.
    """

    probabilities_NK: np.ndarray
    fitted: FitResult
    seconds: float


class FoldEvaluation(ABC):
    """One evaluation of one pre-trained encoder, fold by fold.

    `size` (of batches) and `test_order` are those of switch 12. A fold takes at most `max_epochs` epochs of
    `images_per_epoch` images. `note` describes, for people, any deviation from the evaluation's name, or is empty.
    `loss` names the loss passed to `after_epoch`: "validation_loss", "train_loss", or "" if nothing is fitted by a
    loss.
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
        """Yield each of the folds `numbers` (from 1) and its result as it completes.

        Results do not depend on which other folds are requested. Every fold starts from the pre-trained weights and
        buffers of an encoder made by `new_encoder`, on the device.
        """

    @classmethod
    def seconds(cls, work: Work, **options: Any) -> float:
        """Estimate the minimum seconds for all folds, with `options` as for the constructor.

        The default is the time for the features of all images, once.
        """
        return work.features
