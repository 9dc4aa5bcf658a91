"""Requirements of a run on its images, checked before anything is written."""

import torch

from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Study
from pse_repro.data.folds import folds
from pse_repro.data.stl10 import CLASSES, Dataset
from pse_repro.errors import NotFitError, UsageError
from pse_repro.evaluation.registry import EVALUATIONS, row_of
from pse_repro.objectives import OBJECTIVES
from pse_repro.study.cells import Cell
from pse_repro.training.pretrain import build_objective

TEST_IMAGES = 2  # the minimum for an interval over test images


def check_images(study: Study, cells: list[Cell], data: Dataset, evaluations: tuple[str, ...] | None = None) -> None:
    """Check that the images suffice for the study's cells and baselines.

    `evaluations` are those to run now (None: all of the study, with its baselines).

    Raises:
        NotFitError: there are too few images, or too few classes.
        UsageError: the budget is too small, or no model allows an evaluation.
    """
    asked = study.evaluations if evaluations is None else evaluations
    _check_evaluations(asked, cells)
    for cell in {(cell.protocol.name, cell.model.name): cell for cell in cells}.values():
        build_objective(cell.recipe, data, torch.device("cpu"))
    wanted = [row_of(name) for name in asked]
    on_pixels = evaluations is None and any(name != "random" for name in study.baselines)
    if wanted:
        _check_test_images(len(data.test), CLASSES if any(each.clusters for each in wanted) else TEST_IMAGES)
        if len(set(data.train.targets.tolist())) < 2:
            raise NotFitError("all labelled images are of one class; expected two classes or more")
    on_labels = [*wanted, EVALUATIONS["linear"]] if on_pixels else wanted  # the evaluation of those baselines
    for protocol in {cell.protocol.name: cell.protocol for cell in cells}.values():
        if any(each.splits_labels for each in on_labels):
            _check_folds(protocol, data)
        if any(each.classes_a_fold for each in on_labels):
            _check_classes(protocol, study.folds, data)


def _check_evaluations(asked: tuple[str, ...], cells: list[Cell]) -> None:
    """Raise UsageError for an evaluation that no model's objective allows."""
    known = [objective for objective, row in OBJECTIVES.items() if row.kind.names_classes]
    if any(cell.model.objective in known for cell in cells):
        return
    if name := next((name for name in asked if row_of(name).names_classes), ""):
        raise UsageError(f"{name}: the study has no model for it; expected one with objective {', '.join(known)}")


def _check_test_images(count: int, needed: int) -> None:
    if count < needed:
        why = "the number of clusters" if needed == CLASSES else "for an interval over images"
        raise NotFitError(f"test images: {count}; expected {needed} or more, {why}: give more images")


def _check_folds(protocol: Protocol, data: Dataset) -> None:
    count, wanted = len(data.train), protocol.settings.folds
    if count < wanted:
        raise NotFitError(
            f"labelled images: {count}, for {wanted} folds under protocol {protocol.name}; expected at least one "
            "per fold: give more images, or a protocol with fewer folds"
        )


def _check_classes(protocol: Protocol, used: int, data: Dataset) -> None:
    """Check that every fold has at least two classes, which logistic regression needs."""
    labels = data.train.stored_labels
    parts = folds(labels, protocol.settings.folds, protocol.switches.fold_order)[:used]
    for number, (train, _) in enumerate(parts, 1):
        if len(set(labels[train].tolist())) < 2:
            raise NotFitError(
                f"fold {number} under protocol {protocol.name} has labelled images of one class; expected two classes "
                "or more for logistic regression: give images of more classes"
            )
