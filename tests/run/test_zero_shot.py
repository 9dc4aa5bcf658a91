"""The evaluation zero-shot of a cell: measured once, with the stored text tower; other models leave it out."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pse_repro.config.study import Model, Study
from pse_repro.errors import UsageError
from pse_repro.evaluation.on_features import features
from pse_repro.objectives.shared.text import TwoTowers
from pse_repro.progress.stages import Progress
from pse_repro.run.cell import CellRun
from pse_repro.run.runner import run_study
from pse_repro.study.address import CellFiles
from pse_repro.study.cells import Cell
from pse_repro.study.record import Run
from pse_repro.study.records import Measured, Provenance
from pse_repro.study.store import read_record
from tests.support.tiny import CPU, cell, context, dataset, protocol

pytestmark = pytest.mark.usefixtures("tiny_models", "no_pictures")
METRICS = {"top1", "seen_combinations", "held_out_combinations"}
MODELS = (Model("cnn", "mse"), Model("cnn", "label-text"))
TINY = Study("tiny", "reduced", "paper", 1, MODELS, folds=2, evaluations=("zero-shot",))


def of(objective: str) -> Cell:
    return replace(cell(objective), evaluations=("zero-shot",))


def measured(folder: Path, which: Cell) -> Measured:
    return read_record(CellFiles(folder, which).measures("zero-shot"), Measured)


@pytest.mark.parametrize(
    ("objective", "metrics"), [("image-text", METRICS), ("image-text-sigmoid", METRICS), ("label-text", {"top1"})]
)
def test_scores_are_of_all_test_images_and_are_not_measured_twice(
    objective: str, metrics: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = CellRun(of(objective), context(tmp_path)).run()
    found = rows[rows["evaluation"] == "zero-shot"]
    assert set(found["metric"]) == metrics
    assert set(found["fold"]) == {""}
    assert found["value"].between(0, 100).all()
    record = measured(tmp_path, of(objective))
    assert record.points == len(dataset().test)
    seconds = read_record(CellFiles(tmp_path, of(objective)).provenance, Provenance).seconds
    assert seconds["zero-shot"] == record.seconds > 0
    monkeypatch.setattr("pse_repro.run.zero_shot.answered", None)  # from here on nothing is measured
    assert CellRun(of(objective), context(tmp_path)).run().equals(rows)


def test_it_is_answered_by_the_stored_towers_as_they_were_trained(tmp_path: Path) -> None:
    run = CellRun(of("label-text"), context(tmp_path))
    run.run()
    objective, network = run.pretraining.trained()
    assert isinstance(network, TwoTowers)
    images = features(network, dataset().test, CPU)
    (question,) = objective.questions().values()  # type: ignore[attr-defined]
    with torch.no_grad():
        texts_KP = network.text(question.words_KTV[:, 0])
    nearest = torch.nn.functional.normalize(texts_KP) @ torch.from_numpy(images).T
    right = (nearest.argmax(0).numpy() == dataset().test.targets).mean()
    assert measured(tmp_path, of("label-text")).metrics["top1"] == pytest.approx(100 * right)


def test_models_of_other_objectives_leave_it_out_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_study(TINY, [protocol()], 1, context(tmp_path, progress=Progress(lines=True))) == {}
    assert "zero-shot: left out for cnn-mse: no text tower" in capsys.readouterr().err
    results = Run.open(tmp_path).results
    assert set(results[results["evaluation"] == "zero-shot"]["objective"]) == {"label-text"}
    assert set(results["objective"]) == {"mse", "label-text"}


def test_a_study_without_any_model_for_it_is_refused(tmp_path: Path) -> None:
    study = replace(TINY, models=MODELS[:1])
    with pytest.raises(UsageError, match="zero-shot: the study has no model for it; expected one with objective"):
        run_study(study, [protocol()], 1, context(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
