"""What an encoder is judged by: one evaluation, one file; a new one is its file, its test and a row here.

The kit asks its rows for everything that differs between evaluations. Reading a run takes no training code, so that a
row names its implementation, which is imported when something is trained or estimated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pse_repro.evaluation.base import FoldEvaluation, Setup
    from pse_repro.evaluation.cost import Work

PRETRAIN = "pretrain"  # the name under which results have the metrics of a pre-training; no evaluation


@dataclass(frozen=True)
class Column:
    """A column of the report's table of peers: values of `metric`, which become percent by `scale`."""

    metric: str
    heading: str
    scale: float = 1


@dataclass(frozen=True)
class Evaluation:
    """A row of EVALUATIONS.

    `implementation` is a `FoldEvaluation`, "module:class", that is built with `options`; without one the evaluation has
    no folds, and run/cluster.py measures its `metrics`. Folds are numbered classifiers of one encoder.
    """

    title: str  # in tables and figures
    switches: tuple[str, ...]  # that shape its numbers; folder names hash them, so that their order stays
    implementation: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()  # of one without folds; folds have scores and their best epoch
    on_slides: bool = False  # the study's own: it has tables, curves and confusion matrices in every report
    columns: tuple[Column, ...] = ()  # in the table of peers
    splits_labels: bool = True  # folds are parts of the labelled images, so that each needs one
    classes_a_fold: bool = False  # needs two classes among the training images of each fold
    clusters: bool = False  # needs as many test images as classes, and features after every epoch of an autoencoder

    @property
    def has_folds(self) -> bool:
        return bool(self.implementation)

    def build(self, setup: "Setup") -> "FoldEvaluation":
        """Return the evaluation of one encoder; only of one with folds."""
        built: FoldEvaluation = resolve_name(self.implementation)(setup, **self.options)
        return built

    def seconds(self, work: "Work") -> float:
        """Return how long that takes at least."""
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
}


def has_folds(evaluation: str) -> bool:
    """Return whether results of that name have folds; those of a pre-training have none."""
    return evaluation != PRETRAIN and EVALUATIONS[evaluation].has_folds


def title_of(evaluation: str) -> str:
    """Return an evaluation's title, or the name itself of something else."""
    return EVALUATIONS[evaluation].title if evaluation in EVALUATIONS else evaluation
