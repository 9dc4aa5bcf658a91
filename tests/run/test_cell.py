"""One cell from images to rows, and how it resumes."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pse_repro.errors import CellError, NotFitError
from pse_repro.evaluation.linear import linear_probe
from pse_repro.machine.device import Machine
from pse_repro.progress.facts import Epoch
from pse_repro.progress.listener import Listener, Stage
from pse_repro.progress.live import as_text, view
from pse_repro.progress.stages import Progress
from pse_repro.progress.status_file import read_statuses
from pse_repro.run.cell import CellRun
from pse_repro.study import store
from pse_repro.study.address import CellFiles, RunFiles
from pse_repro.study.cells import Cell
from tests.support.finished_run import forget
from tests.support.tiny import CPU, cell, context, protocol

pytestmark = pytest.mark.usefixtures("tiny_models", "no_pictures")


def run(folder: Path, which: Cell | None = None, evaluations: tuple[str, ...] | None = None) -> pd.DataFrame:
    return CellRun(which or cell(), context(folder, evaluations=evaluations)).run()


def value(rows: pd.DataFrame, evaluation: str, fold: str, metric: str) -> float:
    (found,) = rows[(rows["evaluation"] == evaluation) & (rows["fold"] == fold) & (rows["metric"] == metric)]["value"]
    return float(found)


def test_rows_hold_every_fold_and_the_ensemble(tmp_path: Path) -> None:
    rows = run(tmp_path)
    for evaluation in ("finetune", "frozen"):
        of = rows[rows["evaluation"] == evaluation]
        assert set(of["fold"]) == {"1", "2", "ensemble"}
        assert set(of["metric"]) == {"top1", "top2", "top4", "loss", "best_epoch"}
        assert of[of["metric"] == "top4"]["value"].between(0, 100).all()
    assert not rows.duplicated(["evaluation", "fold", "metric"]).any()
    assert rows["value"].map(math.isfinite).all()


def test_scores_come_from_the_kept_predictions(tmp_path: Path) -> None:
    rows = run(tmp_path, evaluations=("frozen",))
    folder = CellFiles(tmp_path, cell()).evaluation("frozen")
    folds = [np.load(folder / f"fold-{number}.npz") for number in (1, 2)]
    labels = folds[0]["labels"].astype(int) - 1
    together = (folds[0]["probabilities"] + folds[1]["probabilities"]) / 2
    assert value(rows, "frozen", "ensemble", "top1") == pytest.approx(100 * (together.argmax(1) == labels).mean())
    assert value(rows, "frozen", "1", "best_epoch") == folds[0]["validation_losses"].argmin()


def test_a_second_run_trains_nothing_and_gives_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(tmp_path)
    monkeypatch.setattr("pse_repro.run.pretrain.Pretraining", None)
    monkeypatch.setattr("pse_repro.evaluation.downstream.fit", None)
    monkeypatch.setattr("pse_repro.evaluation.downstream.fit_together", None)
    pd.testing.assert_frame_equal(run(tmp_path), first)


def test_a_lost_fold_is_made_again_with_the_same_numbers(tmp_path: Path) -> None:
    first = run(tmp_path, evaluations=("finetune",))
    path = CellFiles(tmp_path, cell()).fold("finetune", 2)
    forget(path)
    pd.testing.assert_frame_equal(run(tmp_path, evaluations=("finetune",)), first)


def test_folds_do_not_depend_on_the_ones_before(tmp_path: Path) -> None:
    both, first_only = (run(tmp_path / str(folds), cell(folds=folds), ("finetune",)) for folds in (2, 1))
    assert value(both, "finetune", "1", "loss") == value(first_only, "finetune", "1", "loss")


def test_pretraining_alone_then_one_evaluation_then_all(tmp_path: Path) -> None:
    assert set(run(tmp_path, evaluations=())["evaluation"]) == {"pretrain"}
    assert set(run(tmp_path, evaluations=("frozen",))["evaluation"]) == {"pretrain", "frozen"}
    everything = run(tmp_path, evaluations=("finetune",))  # completed work is reused
    pd.testing.assert_frame_equal(everything, run(tmp_path / "at-once"))


def test_an_altered_checkpoint_is_refused(tmp_path: Path) -> None:
    run(tmp_path, evaluations=())
    path = CellFiles(tmp_path, cell()).checkpoint
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(NotFitError, match=r"checkpoint.safetensors is not the file that pretrain.json names"):
        run(tmp_path)


def test_a_state_of_something_else_is_refused_in_one_line(tmp_path: Path) -> None:
    path = CellFiles(tmp_path, cell()).state
    store.write_tensors(path, {"model/0.weight": torch.zeros(2)}, {"best_epoch": 0, "curves": []})
    with pytest.raises(NotFitError, match=r"state.safetensors is not a state of this cell; delete it") as caught:
        run(tmp_path)
    assert "\n" not in str(caught.value)


def test_provenance_says_what_made_the_numbers(tmp_path: Path) -> None:
    run(tmp_path, evaluations=("frozen",))
    folder = tmp_path / "cells" / "as-released" / "cnn-mse-seed0"
    record = json.loads((folder / "provenance.json").read_text())
    assert {"versions", "git", "device", "precision", "settings", "data", "seed", "peak_memory_bytes"} <= set(record)
    assert record["data"]["images"] == {"unlabeled": 60, "train": 50, "test": 40}
    assert record["peak_memory_bytes"] > 1e7


@pytest.mark.parametrize(
    ("sessions", "expected"), [([True], True), ([False], False), ([True, True], True), ([True, False], False)]
)
def test_a_cell_is_deterministic_if_all_its_sessions_were(sessions: list[bool], expected: bool, tmp_path: Path) -> None:
    path = tmp_path / "cells" / "as-released" / "cnn-mse-seed0" / "provenance.json"

    def session(deterministic: bool, *evaluations: str) -> bool:
        here = replace(context(tmp_path, evaluations=evaluations), machine=replace(CPU, deterministic=deterministic))
        CellRun(cell(), here).run()
        return bool(json.loads(path.read_text())["deterministic"])

    found = [session(each, *evaluations) for each, evaluations in zip(sessions, ((), ("frozen",)), strict=False)]
    assert found[-1] is expected
    before = {name: value for name, value in json.loads(path.read_text()).items() if name != "deterministic"}
    path.write_text(json.dumps(before))  # as runs were recorded that did not have the option
    assert session(True, "finetune") is False


@pytest.mark.parametrize(
    ("sessions", "expected"), [([True], True), ([False], False), ([True, False], True), ([False, True], True)]
)
def test_provenance_says_whether_any_session_trained_folds_jointly(
    sessions: list[bool], expected: bool, tmp_path: Path
) -> None:
    path = tmp_path / "cells" / "as-released" / "cnn-mse-seed0" / "provenance.json"
    for joint_folds, evaluation in zip(sessions, ("frozen", "finetune"), strict=False):
        machine = replace(CPU, joint_folds=joint_folds)
        CellRun(cell(), replace(context(tmp_path, evaluations=(evaluation,)), machine=machine)).run()
    assert json.loads(path.read_text())["joint_folds"] is expected


def test_a_run_continued_with_the_folds_trained_jointly_has_the_same_numbers(tmp_path: Path) -> None:
    rows = run(tmp_path / "one-by-one")
    run(tmp_path / "continued", cell(folds=1))
    continued = replace(context(tmp_path / "continued"), machine=replace(CPU, joint_folds=True))
    pd.testing.assert_frame_equal(CellRun(cell(), continued).run(), rows, rtol=1e-4)


def test_seeds_and_models_draw_numbers_of_their_own(tmp_path: Path) -> None:
    losses = [
        value(run(tmp_path, which, evaluations=()), "pretrain", "", "validation_mse")
        for which in (cell(), cell("pse", 3), Cell(protocol(), cell().model, 1, 2, ("finetune", "frozen"), 2))
    ]
    assert len(set(losses)) == 3


def epochs_shown(
    folder: Path, evaluation: str, monkeypatch: pytest.MonkeyPatch, machine: Machine = CPU
) -> list[tuple[Epoch, str]]:
    """Run a cell; return each epoch of the evaluation with the live view's text, made from the status file."""
    monkeypatch.setattr("pse_repro.progress.status_file.FILE_SECONDS", -1.0)
    found: list[tuple[Epoch, str]] = []

    class Look(Listener):
        def measured(self, stage: Stage, epoch: Epoch) -> None:
            if stage.phase == evaluation:
                found.append((epoch, as_text(view(None, read_statuses(RunFiles(folder).statuses), 24), 100)))

    of, progress = replace(cell(), evaluations=(evaluation,)), Progress(quiet=True)
    folder.mkdir(exist_ok=True)
    with progress.study(RunFiles(folder).statuses), progress.cell(of.name, Look()):
        CellRun(of, replace(context(folder, progress=progress), machine=machine)).run()
    return found


@pytest.mark.parametrize(
    ("evaluation", "name", "joint_folds"),
    [
        ("finetune", "validation loss", False),
        ("finetune", "validation loss", True),
        ("frozen", "validation loss", False),
        ("frozen", "validation loss", True),
        ("linear", "validation loss", False),
        ("low-label-100", "train loss", False),
        ("knn", None, False),
    ],
)
def test_every_evaluation_shows_the_loss_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evaluation: str, name: str | None, joint_folds: bool
) -> None:
    found = epochs_shown(tmp_path, evaluation, monkeypatch, replace(CPU, joint_folds=joint_folds))
    assert {epoch.fold for epoch, _ in found} == {1, 2}
    of_fold: dict[int | None, dict[int, float]] = {}  # losses by epoch
    for epoch, text in found:
        title, *_, last = text.splitlines()
        assert title.startswith(f"{cell().name}: {evaluation}, 2 folds, epoch ")
        if name is None:
            assert (epoch.loss, last) == (None, f"  fold {epoch.fold}, epoch 1")
            continue
        assert epoch.loss is not None
        assert (epoch.train_loss is None) == (name == "validation loss")
        of_fold.setdefault(epoch.fold, {})[epoch.number] = epoch.loss
        losses = [of_fold[epoch.fold][epoch.number]]
        if joint_folds:
            losses = [each[epoch.number] for each in of_fold.values() if epoch.number in each]
        assert last.endswith(f" {name} {sum(losses) / len(losses):.4g}")


def test_a_loss_that_is_nan_is_shown_as_not_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def probe(*arguments: np.ndarray) -> object:
        return replace(linear_probe(*arguments), validation_loss=math.nan)

    monkeypatch.setattr("pse_repro.evaluation.on_features.linear_probe", probe)
    found = epochs_shown(tmp_path, "linear", monkeypatch)
    assert len(found) == 2
    assert all(text.endswith(" validation loss not finite") for _, text in found)


def test_a_diverging_cell_says_so(tmp_path: Path) -> None:
    with pytest.raises(CellError, match=r"cnn-mse-seed0: .* is (nan|inf)"):
        run(tmp_path, cell(under=protocol(learning_rate=1e30, switches={"gradient_clipping": False})))
