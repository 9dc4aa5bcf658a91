"""The evaluations that train a classifier on each fold, by name."""

from collections.abc import Callable
from typing import Literal

from pse_repro.config.protocol import Protocol
from pse_repro.data.stl10 import Dataset
from pse_repro.evaluation.base import FoldEvaluation
from pse_repro.evaluation.downstream import Downstream
from pse_repro.evaluation.low_label import LowLabel
from pse_repro.evaluation.on_features import OnFeatures
from pse_repro.machine.device import Machine

Evaluation = Literal["finetune", "frozen", "linear", "knn", "low-label-1", "low-label-10", "low-label-100", "cluster"]
_FINETUNE = ("finetuning", "classifier", "downstream_augmentation", "fold_order", "gradient_clipping")
_FROZEN = ("frozen_normalisation", "classifier", "downstream_augmentation", "fold_order", "gradient_clipping")
_LOW_LABEL = ("downstream_augmentation", "gradient_clipping")
EVALUATION_SWITCHES: dict[str, tuple[str, ...]] = {
    "finetune": _FINETUNE,
    "frozen": _FROZEN,
    "linear": ("fold_order",),
    "knn": ("fold_order",),
    "low-label-1": _LOW_LABEL,
    "low-label-10": _LOW_LABEL,
    "low-label-100": _LOW_LABEL,
    "cluster": (),
}
WITHOUT_FOLDS = ("pretrain", "cluster")  # evaluations that train no classifier
EVALUATIONS = {"finetune": "Fine-tuning", "frozen": "Frozen features"}

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
