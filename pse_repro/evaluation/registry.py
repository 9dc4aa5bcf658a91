"""Registry of evaluations. A new one needs its file, its test and a row here.

A row holds everything that differs between evaluations. It names its implementation, which is imported only to train or
estimate something, because reading a run must not import training code.

An evaluation with folds can also be done earlier: "linear@2" is `linear` of the encoder that a pre-training of two
epochs would have kept, at a constant learning rate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pse_repro.evaluation.base import FoldEvaluation, Setup
    from pse_repro.evaluation.cost import Work

PRETRAIN = "pretrain"  # name of the pre-training's metrics in results; not an evaluation


@dataclass(frozen=True)
class Column:
    """A column of the report's table of peers: values of `metric`, converted to percent by `scale`."""

    metric: str
    heading: str
    scale: float = 1


@dataclass(frozen=True)
class Evaluation:
    """A row of EVALUATIONS.

    `implementation` names a `FoldEvaluation`, "module:class", built with `options`. Without one, the evaluation has no
    folds, and run/cluster.py or run/zero_shot.py measures its `metrics`. Folds are numbered classifiers of one encoder.
    """

    title: str  # in tables and figures
    switches: tuple[str, ...]  # that affect its numbers; folder names hash them, so they must not change
    implementation: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()  # of an evaluation without folds; folds have scores and their best epoch
    on_slides: bool = False  # one of the study's: every report has its tables, curves and confusion matrices
    columns: tuple[Column, ...] = ()  # in the table of peers
    splits_labels: bool = True  # folds are parts of the labelled images, so each needs at least one image
    classes_a_fold: bool = False  # needs two classes among the training images of each fold
    names_classes: bool = False  # for objectives alone that do; cells of others leave it out
    clusters: bool = False  # needs as many test images as classes, and features after every epoch of an autoencoder

    @property
    def has_folds(self) -> bool:
        return bool(self.implementation)

    def build(self, setup: "Setup") -> "FoldEvaluation":
        """Return the evaluation of one encoder; the row must have folds."""
        built: FoldEvaluation = resolve_name(self.implementation)(setup, **self.options)
        return built

    def seconds(self, work: "Work") -> float:
        """Return the estimated minimum duration in seconds."""
        if not self.has_folds:
            return work.features
        seconds: float = resolve_name(self.implementation).seconds(work, **self.options)
        return seconds


_CLASSIFIER = ("classifier", "downstream_augmentation", "fold_order", "gradient_clipping")
_TOP1 = "top1"


def _low_label(percent: int, heading: str) -> Evaluation:
    return Evaluation(
        f"low-label-{percent}",
        ("downstream_augmentation", "gradient_clipping"),
        "pse_repro.evaluation.low_label:LowLabel",
        {"fraction": percent / 100},
        columns=(Column(_TOP1, heading),),
        splits_labels=False,
    )


EVALUATIONS: dict[str, Evaluation] = {
    "finetune": Evaluation(
        "Fine-tuning",
        ("finetuning", *_CLASSIFIER),
        "pse_repro.evaluation.downstream:Downstream",
        {"frozen": False},
        on_slides=True,
    ),
    "frozen": Evaluation(
        "Frozen features",
        ("frozen_normalisation", *_CLASSIFIER),
        "pse_repro.evaluation.downstream:Downstream",
        {"frozen": True},
        on_slides=True,
    ),
    "linear": Evaluation(
        "linear",
        ("fold_order",),
        "pse_repro.evaluation.on_features:OnFeatures",
        {"classifier": "linear"},
        columns=(Column(_TOP1, "linear %"),),
        classes_a_fold=True,
    ),
    "knn": Evaluation(
        "knn",
        ("fold_order",),
        "pse_repro.evaluation.on_features:OnFeatures",
        {"classifier": "knn"},
        columns=(Column(_TOP1, "kNN %"),),
    ),
    "low-label-1": _low_label(1, "1 % of labels: %"),
    "low-label-10": _low_label(10, "10 %: %"),
    "low-label-100": _low_label(100, "100 %: %"),
    "cluster": Evaluation(
        "cluster",
        (),
        metrics=("accuracy", "nmi", "ari", "two_domains_accuracy", "error_rank_correlation"),
        columns=(
            Column("accuracy", "clusters %", 100),
            Column("nmi", "NMI %", 100),
            Column("two_domains_accuracy", "animals or vehicles %", 100),
        ),
        splits_labels=False,
        clusters=True,
    ),
    "zero-shot": Evaluation(
        "zero-shot",
        (),
        metrics=(_TOP1, "seen_combinations", "held_out_combinations"),
        columns=(
            Column(_TOP1, "zero-shot %"),
            Column("seen_combinations", "seen combinations %"),
            Column("held_out_combinations", "held-out combinations %"),
        ),
        splits_labels=False,
        names_classes=True,
    ),
}


def row_of(evaluation: str) -> Evaluation:
    """Return the row of an evaluation, which may be one after fewer epochs ("linear@2")."""
    return EVALUATIONS[kind_of(evaluation)]


def kind_of(evaluation: str) -> str:
    """Return the name of an evaluation's row: "linear" of "linear@2"."""
    return evaluation.partition("@")[0]


def epochs_of(evaluation: str) -> int | None:
    """Return the epochs of pre-training before an evaluation, 2 for "linear@2"; None: all of them."""
    epochs = evaluation.partition("@")[2]
    return int(epochs) if epochs else None


def has_folds(evaluation: str) -> bool:
    """Return whether results of that name have folds; a pre-training's have none."""
    return evaluation != PRETRAIN and row_of(evaluation).has_folds


def title_of(evaluation: str) -> str:
    """Return an evaluation's title; any other name is returned unchanged."""
    if kind_of(evaluation) not in EVALUATIONS:
        return evaluation
    epochs = epochs_of(evaluation)
    return row_of(evaluation).title + (f" after {epochs} epoch{'s' * (epochs > 1)}" if epochs else "")
