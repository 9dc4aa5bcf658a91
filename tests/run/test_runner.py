"""A whole study: results after every cell, failed cells, records."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Budget, Model, Study
from pse_repro.errors import NotFitError, UsageError
from pse_repro.machine.device import Machine
from pse_repro.objectives.pse import PSE
from pse_repro.progress.listener import Listener, Stage
from pse_repro.progress.stages import Progress
from pse_repro.progress.status_file import read_statuses
from pse_repro.run import runner
from pse_repro.run.runner import run_study
from pse_repro.study import store
from pse_repro.study.address import RunFiles
from pse_repro.study.record import Run
from tests.support.tiny import context, protocol

pytestmark = pytest.mark.usefixtures("tiny_models", "no_pictures")
STUDY = Study("tiny", "reduced", "paper", 1, (Model("cnn", "mse"), Model("cnn", "pse", 3.0)), folds=1)
ONE = replace(STUDY, models=STUDY.models[:1], evaluations=("knn",))


def run(folder: Path, study: Study = STUDY, protocols: list[Protocol] | None = None, seeds: int = 1) -> dict[str, str]:
    chosen = protocols or [protocol(downstream_max_epochs=1)]
    return run_study(study, chosen, seeds, context(folder))


def test_results_carry_their_conditions_and_the_record_comes_back(tmp_path: Path) -> None:
    assert run(tmp_path) == {}
    results = Run.open(tmp_path).results
    conditions = results[["study", "data", "device", "precision", "scale"]].drop_duplicates().to_numpy().tolist()
    assert conditions == [["tiny", "embedded-sample", "cpu", "fp32", "reduced"]]
    assert set(results["sigma"]) == {"", "3"}
    record = Run.open(tmp_path)
    assert record.study == STUDY
    assert record.protocols == [protocol(downstream_max_epochs=1)]


def test_while_it_runs_others_can_see_it_and_afterwards_nothing_is_left(tmp_path: Path) -> None:
    seen: set[tuple[str, str]] = set()
    progress = Progress(quiet=True)

    class Look(Listener):
        def began(self, stage: Stage) -> None:
            (process,), study = read_statuses(RunFiles(tmp_path).statuses), progress.study_status(refresh=True)
            seen.add((process.cell, f"{study.done} of {study.cells}" if study else ""))

    progress.listeners.append(Look())
    run_study(STUDY, [protocol(downstream_max_epochs=1)], 1, context(tmp_path, progress=progress))
    assert seen == {("as-released/cnn-mse-seed0", "0 of 2"), ("as-released/cnn-pse-3-seed0", "1 of 2")}
    assert not RunFiles(tmp_path).statuses.exists()


def test_seeds_can_be_added_to_a_run_and_keep_the_first_ones(tmp_path: Path) -> None:
    frozen = replace(STUDY, evaluations=("frozen",))
    run(tmp_path, frozen)
    before = Run.open(tmp_path).results
    run(tmp_path, frozen, seeds=2)
    after = Run.open(tmp_path).results
    assert set(after["seed"]) == {"0", "1"}
    assert after[after["seed"] == "0"]["value"].tolist() == before["value"].tolist()


def test_two_protocols_stand_side_by_side(tmp_path: Path) -> None:
    both = [protocol(downstream_max_epochs=1), protocol("as-described", downstream_max_epochs=1)]
    run(tmp_path, ONE, both)
    counts = Run.open(tmp_path).results["protocol"].value_counts()
    assert counts["as-released"] == counts["as-described"]


def test_a_cell_that_diverges_is_recorded_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loss = PSE.loss
    monkeypatch.setattr(PSE, "loss", lambda self, *of: loss(self, *of) * (math.nan if self.setup.sigma == 4 else 1))
    failed = run(tmp_path, replace(STUDY, models=(Model("cnn", "pse", 4.0), Model("cnn", "pse", 3.0))))
    assert list(failed) == ["as-released/cnn-pse-4-seed0"]
    assert "train_loss is nan in epoch 0" in failed["as-released/cnn-pse-4-seed0"]
    assert set(Run.open(tmp_path).results["sigma"]) == {"3"}
    assert (tmp_path / "cells/as-released/cnn-pse-4-seed0/failed.json").exists()


def test_other_settings_are_refused(tmp_path: Path) -> None:
    run(tmp_path, ONE)
    with pytest.raises(UsageError, match=r"study.folds = 1, but now it is 2"):
        run(tmp_path, replace(ONE, folds=2))


def test_too_small_a_budget_leaves_no_record_that_would_refuse_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the budget is 0 steps of 8 images; expected at least one for each of the 1"):
        run(tmp_path, replace(ONE, budget=Budget(images=7)))
    assert run(tmp_path, replace(ONE, budget=Budget(images=8))) == {}


def evaluations(folder: Path) -> set[str]:
    return set(Run.open(folder).results["evaluation"]) - {"pretrain"}


def test_a_run_keeps_the_evaluations_that_it_had_and_fresh_begins_without_them(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(folder, ONE)
    before = Run.open(folder).results
    linear = replace(ONE, evaluations=("linear",))
    assert run(folder, linear) == {}
    assert Run.open(folder).study.evaluations == ("knn", "linear")
    assert evaluations(folder) == {"knn", "linear"}
    assert run(folder, ONE) == {}  # fewer than it has had
    after = Run.open(folder).results
    assert evaluations(folder) == {"knn", "linear"}
    assert after[after["evaluation"] != "linear"]["value"].tolist() == before["value"].tolist()
    run_study(linear, [protocol()], 1, context(folder), fresh=True)
    assert Run.open(folder).study.evaluations == ("linear",)
    assert evaluations(folder) == {"linear"}


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a run directory"):
        Run.open(tmp_path)
    (tmp_path / "run.json").write_text('{"study": {}}')
    with pytest.raises(NotFitError, match=r"run.json is not what this kit writes: protocols"):
        Run.open(tmp_path)


def test_baselines_stand_in_the_same_results_and_are_done_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = replace(ONE, baselines=("pixels", "pca", "random"))
    both = [protocol(downstream_max_epochs=1), protocol("as-described", downstream_max_epochs=1)]
    assert run(tmp_path, study, both) == {}
    results = Run.open(tmp_path).results
    linear = results[results["evaluation"] == "linear"]
    assert set(zip(linear["protocol"], linear["encoder"], linear["fold"], strict=True)) == {
        (name, encoder, fold)
        for name in ("as-released", "as-described")
        for encoder in ("pixels", "pca")
        for fold in ("1", "ensemble")
    }
    untrained = results[results["objective"] == "random"]
    assert set(untrained["evaluation"]) == {"pretrain", "knn"}
    monkeypatch.setattr("pse_repro.run.baselines.Baseline", None)
    assert run(tmp_path, study, both) == {}
    assert Run.open(tmp_path).results.equals(results)


def test_an_evaluation_later_on_keeps_the_rows_of_the_baselines(tmp_path: Path) -> None:
    study = replace(ONE, baselines=("pca",))
    run(tmp_path, study)
    chosen = [protocol(downstream_max_epochs=1)]
    run_study(study, chosen, 1, context(tmp_path, evaluations=("knn",)))
    assert set(Run.open(tmp_path).results["encoder"]) == {"cnn", "pca"}


def test_looks_are_recorded_planned_or_as_seeds_are_added(tmp_path: Path) -> None:
    planned = replace(context(tmp_path), looks=(5, 8), evaluations=())
    chosen = [protocol(downstream_max_epochs=1)]
    run_study(ONE, chosen, 1, planned)
    assert Run.open(tmp_path).looks == [5, 8]
    run_study(ONE, chosen, 3, replace(planned, looks=()))
    assert Run.open(tmp_path).looks == [3, 5, 8]  # seeds beyond a look that was taken are another look
    run_study(ONE, chosen, 2, replace(planned, looks=()), fresh=True)
    assert Run.open(tmp_path).looks == [2]


@pytest.mark.parametrize(
    ("kind", "free", "jobs"), [("cuda", 17e9, 3), ("cuda", 12e9, 2), ("cuda", 4e9, 1), ("cpu", 0, 3)]
)
def test_no_more_models_than_the_gpu_has_memory_for(
    kind: str,
    free: float,
    jobs: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("pse_repro.run.workers.free_gpu_bytes", lambda _: int(free))
    on = replace(context(tmp_path), machine=Machine(torch.device(kind), "fp32"))
    assert runner._jobs_that_fit(3, on) == jobs
    said = f"take 5.5 GB of GPU memory, and there is room for {jobs} at a time: --jobs {jobs} is used"
    assert (said in " ".join(capfd.readouterr().err.split())) == (jobs < 3)


def test_a_run_from_before_copies_labels_and_settings_is_resumed_as_one_without(tmp_path: Path) -> None:
    assert run(tmp_path, ONE) == {}
    record = store.read_json(RunFiles(tmp_path).record)
    del record["study"]["unlabeled"]
    added = [name for name in record["study"]["models"][0] if name not in ("encoder", "objective", "sigma", "epochs")]
    assert {"unlabeled", "label", "schedule", "clip"} < {*added}
    for name in added:
        del record["study"]["models"][0][name]
    store.write_json(RunFiles(tmp_path).record, record)
    assert Run.open(tmp_path).study.unlabeled == "all"
    with pytest.raises(UsageError, match=r"study\.unlabeled = 'all', but now it is 'without-test'"):
        run(tmp_path, replace(ONE, unlabeled="without-test"))
    assert run(tmp_path, ONE) == {}
