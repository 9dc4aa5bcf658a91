"""What every evaluation with folds has in common."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol as Interface

import numpy as np
from torch import nn

from pse_repro.training.classifier import Fitted

AfterEpoch = Callable[[int, int, float], None]  # told the fold's number, the epoch and its validation loss


@dataclass(frozen=True)
class FoldResult:
    """One fold's classifier on the test set: probabilities (N, 10) in test_X's order, and how it was trained.

    `seconds` that it took: its own, and its share of what folds did together.
    """

    probabilities_NK: np.ndarray
    fitted: Fitted
    seconds: float


class FoldEvaluation(Interface):
    """One evaluation of one pre-trained encoder, fold by fold.

    `size` of the batches and `test_order` are switch 12's. A fold takes `most_epochs` of `images_per_epoch` at most.
    `note` is for people: what is not as the name says, or empty. `loss` names the one that `after_epoch` is told:
    validation_loss, train_loss, or empty where nothing is fitted by its loss.
    """

    size: int
    test_order: np.ndarray
    most_epochs: int
    images_per_epoch: int
    note: str
    loss: str

    def run(
        self, numbers: Sequence[int], new_encoder: Callable[[], nn.Module], after_epoch: AfterEpoch
    ) -> Iterator[tuple[int, FoldResult]]:
        """Each of the folds `numbers` (from 1) when it is done; what it gives does not depend on the others."""
