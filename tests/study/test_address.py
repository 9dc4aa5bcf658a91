"""Sharing of work between cells."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pse_repro.config.protocol import load_protocol
from pse_repro.config.study import Model
from pse_repro.config.switches import all_switches
from pse_repro.evaluation.registry import EVALUATIONS
from pse_repro.progress.stages import Progress
from pse_repro.run.cell import CellRun
from pse_repro.study.address import CellFiles, RunFiles
from pse_repro.study.cells import Cell
from pse_repro.study.record import Run
from pse_repro.study.store import write_json
from tests.support.stored_run import record, study
from tests.support.tiny import cell, context, dataset, protocol

RUN = Path("run")
MODEL = {1, 2, 3, 4, 5, 6, 14}  # switches that change the pre-training
LABELS = ("low-label-1", "low-label-10", "low-label-100")
LOW_LABEL = MODEL | {5, 10}
MOVES = {"finetune": MODEL | {7, 9, 10, 11}, "frozen": MODEL | {8, 9, 10, 11}, "cluster": MODEL, "zero-shot": MODEL}
MOVES |= dict.fromkeys(("linear", "knn"), MODEL | {11}) | dict.fromkeys(LABELS, LOW_LABEL)
SCORES_ONLY = {12, 13}


def turned(number: int) -> Cell:
    """Return a cell under as-released with one switch turned; its model has its own length and batch size."""
    of = cell("pse", 3, under=load_protocol(f"as-released+{number}" if number else "as-released"))
    return replace(of, model=replace(of.model, epochs=7, batch_size=64))


@pytest.mark.parametrize("number", range(1, 15))
def test_a_switch_moves_what_it_touches_and_nothing_else(number: int) -> None:
    before, after = turned(0), turned(number)
    assert (CellFiles(RUN, after).model != CellFiles(RUN, before).model) == (number in MODEL)
    moved = {e for e in EVALUATIONS if CellFiles(RUN, after).evaluation(e) != CellFiles(RUN, before).evaluation(e)}
    assert moved == {name for name, numbers in MOVES.items() if number in numbers}
    assert CellFiles(RUN, after).folder != CellFiles(RUN, before).folder


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_kernel_is_nothing_to_models_without_one(number: int) -> None:
    cells = [cell(under=load_protocol(name)) for name in ("as-released", f"as-released+{number}")]
    assert len({CellFiles(RUN, each).model for each in cells}) == 1


def test_every_switch_is_accounted_for() -> None:
    assert {switch.number for switch in all_switches()} == SCORES_ONLY.union(*MOVES.values())


@pytest.mark.parametrize(
    "setting", [{"learning_rate": 1.0}, {"validation_fraction": 0.5}, {"pretrain_clip_norm": 9.0}, {"batch_size": 5}]
)
def test_settings_of_the_pretraining_move_the_model(setting: dict[str, object]) -> None:
    assert CellFiles(RUN, cell(under=protocol(**setting))).model != CellFiles(RUN, cell()).model


def test_a_models_own_learning_rate_moves_it_to_where_the_protocols_would() -> None:
    def model(rate: float) -> Path:
        return CellFiles(RUN, replace(cell(), model=replace(cell().model, learning_rate=rate))).model

    assert model(0.5) != CellFiles(RUN, cell()).model
    assert model(0.5) == CellFiles(RUN, cell(under=protocol(learning_rate=0.5))).model  # the same work


@pytest.mark.parametrize(
    "own",
    [
        {"optimizer": "sgd"}, {"schedule": "cosine"}, {"warmup": 0.1}, {"weight_decay": 0.1}, {"clip": 0.0},
        {"clip": 0.5}, {"clip": 0.5, "schedule": "constant"},
    ],
)  # fmt: skip
def test_each_setting_of_the_optimizer_moves_a_model_and_its_label_only_the_cell(own: dict[str, Any]) -> None:
    models = [Model("cnn", "mse", **settings) for settings in ({}, {"label": "a"}, own, own | {"label": "b"})]
    files = [CellFiles(RUN, replace(cell(), model=model)) for model in models]
    assert [files.index(next(other for other in files if other.model == each.model)) for each in files] == [0, 0, 2, 2]
    assert [each.folder.name for each in files] == [f"cnn-mse{label}-seed0" for label in ("", "+a", "", "+b")]


@pytest.mark.parametrize(
    ("objective", "sigma", "under", "name"),
    [
        ("mse", None, "as-released", "cnn-mse-seed0-845dd5d4"),
        ("pse", 3.0, "as-described", "cnn-pse-3-seed0-f860656d"),
        ("rotation", None, "as-described", "cnn-rotation-seed0-d15b0731"),
        ("jigsaw", None, "as-released", "cnn-jigsaw-seed0-0d7b586a"),  # no augmentation: no crop
    ],
)
def test_models_keep_their_addresses_over_versions(objective: str, sigma: float, under: str, name: str) -> None:
    assert CellFiles(RUN, cell(objective, sigma, under=load_protocol(under))).model.name == name


def test_models_that_were_cropped_and_are_no_longer_have_a_new_address() -> None:
    found = CellFiles(RUN, cell("jigsaw", under=load_protocol("as-described"))).model.name
    assert found.startswith("cnn-jigsaw-seed0-")
    assert found != "cnn-jigsaw-seed0-7388b5fb"


def test_seed_objective_and_length_move_the_model() -> None:
    others = [replace(cell(), seed=1), cell("pse", 3), cell("pse", 4), cell(epochs=9)]
    others.append(replace(cell(), unlabeled="without-test"))
    assert len({CellFiles(RUN, other).model for other in (cell(), *others)}) == 6


@pytest.mark.usefixtures("tiny_models")
def test_what_is_shared_is_done_once_and_what_is_not_is_done_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows(**switches: object) -> pd.DataFrame:
        under = replace(protocol(switches=switches), name="-".join(["p", *map(str, switches.values())]))
        with Progress(quiet=True) as progress:
            return CellRun(cell(under=under), context(tmp_path, dataset(test=37), progress=progress)).run()

    first = rows()
    monkeypatch.setattr("pse_repro.run.pretrain.Pretraining", None)  # from here on nothing is pre-trained
    frozen = rows(frozen_normalisation="running")
    assert _values(frozen, "finetune") == _values(first, "finetune")
    assert _values(frozen, "frozen") != _values(first, "frozen")
    monkeypatch.setattr("pse_repro.evaluation.downstream.fit", None)  # nor is any classifier
    accuracy = rows(test_score="accuracy")
    folds = accuracy["fold"].isin(["1", "2"]) & accuracy["metric"].eq("loss")
    assert not np.allclose(accuracy[folds]["value"], first[folds]["value"], rtol=0, atol=1e-9)
    assert len(list((tmp_path / "models").iterdir())) == 1
    assert len(list((tmp_path / "cells").glob("*/*/provenance.json"))) == 3


def _values(rows: pd.DataFrame, evaluation: str) -> list[float]:
    return [float(value) for value in rows[rows["evaluation"] == evaluation]["value"]]


def test_the_seeds_of_a_run_are_those_asked_for_or_begun_whichever_are_more(tmp_path: Path) -> None:
    write_json(RunFiles(tmp_path).record, record(study(), {}))
    assert Run.open(tmp_path).requested_seeds == 1
    (tmp_path / "models" / "cnn-mse-seed1-0123abcd").mkdir(parents=True)
    assert Run.open(tmp_path).requested_seeds == 2
    for asked, expected in ((1, 2), (5, 5)):
        write_json(tmp_path / "asked.json", {"seeds": asked, "jobs": 1})
        assert Run.open(tmp_path).requested_seeds == expected
