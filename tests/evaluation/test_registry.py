"""Every row of EVALUATIONS is complete."""

from dataclasses import fields
from pkgutil import resolve_name

import pytest

from pse_repro.config.protocol import Switches
from pse_repro.evaluation.base import FoldEvaluation, Setup
from pse_repro.evaluation.cost import Costs, Work
from pse_repro.evaluation.registry import EVALUATIONS, PRETRAIN, has_folds, title_of
from pse_repro.evaluation.scores import METRICS
from tests.support.tiny import CPU, dataset, protocol

COSTS = Costs(train=0, forward=0, encode=1, small=0, high=0, step=0, classify=0)
IMAGES = {"unlabeled": 60, "train": 50, "test": 40}


@pytest.mark.parametrize("name", EVALUATIONS)
def test_a_row_names_switches_and_metrics_that_there_are(name: str) -> None:
    row = EVALUATIONS[name]
    assert set(row.switches) <= {field.name for field in fields(Switches)}
    assert {column.metric for column in row.columns} <= {*METRICS, *row.metrics}
    assert row.on_slides != bool(row.columns)
    assert row.has_folds == has_folds(name) == (not row.metrics)
    assert title_of(name) == row.title


def test_a_pre_training_is_no_evaluation_with_folds() -> None:
    assert PRETRAIN not in EVALUATIONS
    assert not has_folds(PRETRAIN)
    assert title_of(PRETRAIN) == "pretrain"


@pytest.mark.parametrize("name", [name for name, row in EVALUATIONS.items() if row.has_folds])
def test_its_implementation_is_built_and_estimated_with_its_options(name: str) -> None:
    row, under = EVALUATIONS[name], protocol()
    kind = resolve_name(row.implementation)
    assert issubclass(kind, FoldEvaluation)
    built = row.build(Setup(f"cell/{name}", "cnn", under, dataset(), CPU))
    assert type(built) is kind
    assert all(getattr(built, option) == value for option, value in row.options.items())
    assert row.seconds(Work(under, 2, IMAGES, COSTS)) >= 40  # at least the time to encode the test images


def test_without_folds_the_labelled_images_are_read_once() -> None:
    assert EVALUATIONS["cluster"].seconds(Work(protocol(), 2, IMAGES, COSTS)) == 90
