"""Too few images for a run are refused before a run directory exists; the required minimum suffices."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pse_repro.config.study import Budget, Model, Study
from pse_repro.data.stl10 import Dataset, Split
from pse_repro.errors import NotFitError, UsageError
from pse_repro.run.requirements import check_images
from pse_repro.run.runner import run_study
from pse_repro.study.cells import expand
from pse_repro.study.load import load_study, study_protocols
from tests.support.tiny import context, protocol

STUDY = Study("tiny", "reduced", "paper", 1, (Model("cnn", "mse"),), folds=2, evaluations=("finetune", "frozen"))


def images(unlabeled: int = 60, train: int = 20, test: int = 20, classes: int = 10) -> Dataset:
    """Black images, whose pixels do not matter, with labels in turn."""

    def split(count: int) -> Split:
        return Split(np.zeros((count, 3, 96, 96), np.uint8), np.arange(count, dtype=np.uint8) % classes + 1)

    return Dataset("black", replace(split(unlabeled), labels=None), split(train), split(test), md5={})


def check(data: Dataset, study: Study = STUDY, evaluations: tuple[str, ...] | None = None, **settings: object) -> None:
    check_images(study, expand(study, [protocol(**settings)], seeds=1), data, evaluations)


@pytest.mark.parametrize(
    ("few", "evaluation", "message"),
    [
        ({"unlabeled": 52}, "knn", "52 unlabelled images leave 8 for validation; expected at least one batch of 9"),
        ({"train": 4}, "finetune", "labelled images: 4, for 5 folds under protocol as-released; expected at least one"),
        ({"train": 4}, "knn", "labelled images: 4, for 5 folds under protocol as-released; expected at least one"),
        ({"test": 1}, "frozen", "test images: 1; expected 2 or more, for an interval over images"),
        ({"test": 1}, "low-label-1", "test images: 1; expected 2 or more, for an interval over images"),
        ({"test": 9}, "cluster", "test images: 9; expected 10 or more, the number of clusters"),
        ({"classes": 1}, "finetune", "all labelled images are of one class; expected two classes or more"),
    ],
)
def test_too_few_images_are_refused_before_a_run_directory_exists(
    few: dict[str, int], evaluation: str, message: str, tmp_path: Path
) -> None:
    study = replace(STUDY, evaluations=(evaluation,))  # type: ignore[arg-type]
    under = protocol(batch_size=9 if "unlabeled" in few else 8)
    with pytest.raises(NotFitError, match=message):
        run_study(study, [under], 1, context(tmp_path / "run", images(**few)))
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize(
    ("few", "evaluation"),
    [
        ({"train": 5}, "finetune"),
        ({"train": 5}, "frozen"),
        ({"train": 5, "classes": 2}, "linear"),
        ({"train": 2}, "low-label-1"),
        ({"test": 2}, "knn"),
        ({"test": 10}, "cluster"),
        ({"unlabeled": 53}, "knn"),
    ],
)
def test_as_few_as_that_are_enough(few: dict[str, int], evaluation: str, tmp_path: Path) -> None:
    study = replace(STUDY, evaluations=(evaluation,), folds=1)  # type: ignore[arg-type]
    under = protocol(downstream_max_epochs=1)
    assert run_study(study, [under], 1, context(tmp_path / "run", images(**few))) == {}


def test_folds_are_those_of_the_protocol() -> None:
    check(images(train=20), folds=20)
    with pytest.raises(NotFitError, match="labelled images: 20, for 21 folds"):
        check(images(train=20), folds=21)


@pytest.mark.parametrize("baseline", ["pixels", "pca"])
def test_baselines_need_what_linear_needs(baseline: str) -> None:
    study = replace(STUDY, evaluations=("low-label-1",), baselines=(baseline,))  # type: ignore[arg-type]
    check(images(), study)
    for few, message in (({"train": 4}, "for 5 folds"), ({"classes": 1}, "are of one class")):
        with pytest.raises(NotFitError, match=message):
            check(images(**few), study)


@pytest.mark.parametrize("wanted", [{"evaluations": ("linear",)}, {"baselines": ("pixels",)}])
def test_every_fold_needs_two_classes_for_logistic_regression(wanted: dict[str, tuple[str]]) -> None:
    data = images()
    data.train.stored_labels[:] = 1
    data.train.stored_labels[7] = 2  # which is held out in one of the folds
    study = replace(STUDY, folds=5, **({"evaluations": ("knn",)} | wanted))  # type: ignore[arg-type]
    with pytest.raises(NotFitError, match=r"fold \d under protocol as-released has labelled images of one class"):
        check(data, study)


def test_only_what_is_wanted_now_is_checked() -> None:
    few = images(train=1, test=1)
    check(few, evaluations=())  # pre-training alone
    with pytest.raises(NotFitError, match="test images: 1"):
        check(few, evaluations=("knn",))


def test_an_objective_that_trains_on_labels_needs_some_to_hold_out() -> None:
    study = replace(STUDY, models=(Model("cnn", "mse"), Model("cnn", "supervised")))
    check(images(train=40), study)
    for few in (10, 20, 30):
        with pytest.raises(NotFitError, match=f"{few} labelled images are too few to hold any out; expected 4 or"):
            check(images(train=few), study)


def test_a_budget_below_a_step_an_epoch_is_refused() -> None:
    with pytest.raises(UsageError, match="the budget is 1 steps of 8 images"):
        check(images(), replace(STUDY, epochs=2, budget=Budget(steps=1)))


@pytest.mark.parametrize("name", ["smoke", "full", "switches", "objectives-small"])
def test_stl10_itself_is_enough_for_every_study(name: str) -> None:
    study = load_study(name)
    study = replace(study, models=tuple(model for model in study.models if model.objective in ("mse", "pse")))
    cells = expand(study, study_protocols(study), seeds=1)
    check_images(study, cells, images(unlabeled=100_000, train=5_000, test=8_000))
    with pytest.raises(NotFitError, match="0 unlabelled images leave 0 for validation"):
        check_images(study, cells, images(unlabeled=0, train=5_000, test=8_000))
