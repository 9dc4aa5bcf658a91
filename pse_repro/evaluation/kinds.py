"""The evaluations that train a classifier on each fold, by name."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol as Interface

import numpy as np
from torch import nn

from pse_repro.config import Protocol
from pse_repro.data.stl10 import Dataset
from pse_repro.device import Machine
from pse_repro.evaluation.downstream import AfterEpoch, Downstream, FoldResult
from pse_repro.evaluation.low_label import LowLabel
from pse_repro.evaluation.on_features import OnFeatures


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


_KINDS: dict[str, Callable[[str, str, str, Protocol, Dataset, Machine], FoldEvaluation]] = {
    "finetune": Downstream,
    "frozen": Downstream,
    "linear": OnFeatures,
    "knn": OnFeatures,
    "low-label-1": LowLabel,
    "low-label-10": LowLabel,
    "low-label-100": LowLabel,
}


def splits_labels(evaluation: str) -> bool:
    """Whether its folds are parts of the labelled images; those of low-label are subsets of any size."""
    return _KINDS.get(evaluation) in (Downstream, OnFeatures)


def fold_evaluation(
    name: str, evaluation: str, encoder_name: str, protocol: Protocol, data: Dataset, machine: Machine
) -> FoldEvaluation:
    """The evaluation of that name; `name` is what its random numbers are derived from."""
    return _KINDS[evaluation](name, evaluation, encoder_name, protocol, data, machine)
