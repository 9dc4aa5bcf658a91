"""Evaluations through a whole run: a new one takes a class and a registry row, and every kind ends as "done"."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torch import nn

from pse_repro.compare.vocabulary import known_rows
from pse_repro.config.protocol import load_protocol
from pse_repro.config.study import Model, Study
from pse_repro.data.stl10 import OFFICIAL_IMAGES
from pse_repro.errors import UsageError
from pse_repro.evaluation.base import AfterEpoch, FoldEvaluation, FoldResult
from pse_repro.evaluation.cost import Costs
from pse_repro.evaluation.registry import EVALUATIONS, Column, Evaluation
from pse_repro.expected import load_expected
from pse_repro.report.pictures.peers import peers_tables
from pse_repro.report.tables import cells_table
from pse_repro.run.runner import run_study
from pse_repro.study import store
from pse_repro.study.address import CellFiles
from pse_repro.study.cells import Cell
from pse_repro.study.estimate import estimate_seconds
from pse_repro.study.load import build_study
from pse_repro.study.record import Run
from pse_repro.study.status import read_status
from pse_repro.training.classifier import FitResult
from tests.support.finished_run import forget
from tests.support.stored_run import store_run
from tests.support.tiny import CPU, context, dataset, protocol

pytestmark = pytest.mark.usefixtures("tiny_models", "no_pictures")
TINY = Study("tiny", "reduced", "paper", 1, (Model("cnn", "mse"),), folds=2)


def run(directory: Path, *evaluations: str) -> Run:
    """Return a finished run of TINY with these evaluations, of a model that allows them."""
    objective = "label-text" if any(EVALUATIONS[name].names_classes for name in evaluations) else "mse"
    study = replace(TINY, evaluations=evaluations, models=(Model("cnn", objective),))
    under = protocol(downstream_max_epochs=1)
    assert run_study(study, [under], 1, context(directory)) == {}
    return Run.open(directory)


def states(of: Run) -> list[str]:
    table = cells_table(of)
    return [row[table.header.index("state")] for row in table.rows]


class AlwaysOne(FoldEvaluation):
    """A classifier that predicts the same class for every image."""

    loss = ""

    def run(
        self, numbers: Sequence[int], new_encoder: Callable[[], nn.Module], after_epoch: AfterEpoch
    ) -> Iterator[tuple[int, FoldResult]]:
        assert self.name == "cnn-mse-seed0/always-one"
        for number in numbers:
            assert isinstance(new_encoder(), nn.Module)
            after_epoch(number, 0, float("nan"))
            yield number, FoldResult(np.eye(10)[[number] * len(self.data.test)], FitResult(0, [], []), 0.5)


def test_a_new_evaluation_is_a_class_and_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    column = Column("top1", "always one %")
    row = Evaluation("Always one", ("fold_order",), f"{__name__}:AlwaysOne", columns=(column,))
    monkeypatch.setitem(EVALUATIONS, "always-one", row)
    table = {"name": "tiny", "scale": "reduced", "expected": "paper", "epochs": 1, "evaluations": ["always-one"]}
    study = build_study(table | {"models": [{"encoder": "cnn", "objective": "mse"}]}, "study")
    free = Costs(train=0, forward=0, encode=1, small=0, high=0, step=0, classify=0)
    read = OFFICIAL_IMAGES["train"] + OFFICIAL_IMAGES["test"]  # by default: the features of all labelled images
    assert estimate_seconds(study, [load_protocol("as-released")], 1, CPU, {"cnn": free}) == read

    of = run(tmp_path, "always-one")
    results = Run.open(tmp_path).results
    found = results[results["evaluation"] == "always-one"]
    assert set(found["fold"]) == {"1", "2", "ensemble"}
    top1 = found[(found["fold"] == "1") & (found["metric"] == "top1")]["value"]
    assert top1.tolist() == [pytest.approx(100 * (dataset().test.targets == 1).mean())]
    assert states(of) == ["done"]
    assert read_status(tmp_path).state == "complete"
    (peers,) = peers_tables(of)
    assert "always one %" in peers.header
    assert known_rows(results, load_expected("slides"))[1] == ()


@pytest.mark.parametrize("evaluation", EVALUATIONS)
def test_a_finished_run_is_done_and_a_lost_file_is_not(evaluation: str, tmp_path: Path) -> None:
    of, with_folds = run(tmp_path, evaluation), EVALUATIONS[evaluation].has_folds
    assert states(of) == ["done"]
    (lost,) = tmp_path.rglob(f"{evaluation}-*/{'fold-2.npz' if with_folds else 'measures.json'}")
    forget(lost)
    assert states(of) == [f"pre-trained; {f'{evaluation} 1 of 2 folds' if with_folds else f'no {evaluation}'}"]


def contents(directory: Path, cell: Cell) -> dict[str, set[str]]:
    """Return the names in each file of a cell's evaluations: arrays, keys or columns."""
    readers: dict[str, Callable[[Path], Iterable[str]]] = {
        ".npz": store.read_npz,
        ".json": store.read_json,
        ".csv": lambda path: pd.read_csv(path).columns,
    }
    return {
        f"{evaluation}/{path.name}": set(readers[path.suffix](path))
        for evaluation in cell.evaluations
        for path in CellFiles(directory, cell).evaluation(evaluation).iterdir()
    }


def test_the_tests_stored_run_has_the_files_of_a_real_one(tmp_path: Path) -> None:
    of = run(tmp_path / "real", "frozen", "knn", "low-label-1", "cluster")
    (cell,) = of.cells
    store_run(tmp_path / "stored", replace(of.study, overrides={}))
    (stored,) = Run.open(tmp_path / "stored").cells
    assert contents(tmp_path / "stored", stored) == contents(tmp_path / "real", cell)


def test_an_evaluation_after_fewer_epochs_is_that_of_a_shorter_pre_training(tmp_path: Path) -> None:
    models = (Model("cnn", "mse"), Model("cnn", "random"))
    for name, epochs, evaluations in (("short", 1, ("linear",)), ("long", 3, ("linear", "linear@1"))):
        study = replace(TINY, models=models, epochs=epochs, evaluations=evaluations)
        assert run_study(study, [protocol()], 1, context(tmp_path / name)) == {}
    scores = {}
    for name in ("short", "long"):
        of = Run.open(tmp_path / name)
        assert states(of) == ["done", "done"]  # an untrained encoder has no epochs, and nothing to do after the first
        results = of.results[of.results["objective"] == "mse"]
        for evaluation, part in results[results["evaluation"] != "pretrain"].groupby("evaluation"):
            scores[name, evaluation] = part.set_index(["fold", "metric"])["value"].to_dict()
    assert scores["long", "linear@1"] == scores["short", "linear"]
    assert scores["long", "linear"] != scores["short", "linear"]
    assert known_rows(Run.open(tmp_path / "long").results, load_expected("slides"))[1] == ()

    before = (tmp_path / "long/run.json").read_bytes(), (tmp_path / "long/results.csv").read_bytes()
    with pytest.raises(UsageError, match=r"linear@2 takes weights after 2 epochs, which .* has not kept"):
        run_study(replace(study, evaluations=("linear@2",)), [protocol()], 1, context(tmp_path / "long"))
    assert before == ((tmp_path / "long/run.json").read_bytes(), (tmp_path / "long/results.csv").read_bytes())
    assert run_study(replace(study, evaluations=("knn@1",)), [protocol()], 1, context(tmp_path / "long")) == {}
