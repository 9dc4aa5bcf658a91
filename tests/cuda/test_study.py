"""A whole study on a GPU: every evaluation, under both protocols."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pse_repro.machine.device import Machine, choose_machine
from pse_repro.progress.stages import Progress
from pse_repro.run.context import RunContext
from pse_repro.run.runner import run_study
from pse_repro.study.load import build_study, study_protocols
from pse_repro.study.record import Run
from tests.support.tiny import CPU, dataset

STUDY: dict[str, object] = {
    "name": "t",
    "scale": "reduced",
    "expected": "paper",
    "epochs": 2,
    "folds": 2,
    "models": [{"encoder": "cnn", "objective": "pse", "sigma": 3}],
    "protocols": ["as-released", "as-described"],
    "evaluations": ["finetune", "frozen", "linear", "knn", "low-label-1", "low-label-100", "cluster"],
    "overrides": {"batch_size": 8, "downstream_max_epochs": 2},
}


def results(folder: Path, machine: Machine) -> pd.DataFrame:
    """Run the study and return its values, indexed by protocol, evaluation, fold and metric."""
    study = build_study(STUDY, "t")
    data = dataset(unlabeled=60, train=40, test=20)
    assert run_study(study, study_protocols(study), 1, RunContext(folder, data, machine, Progress(quiet=True))) == {}
    return Run.open(folder).results.set_index(["protocol", "evaluation", "fold", "metric"])[["value"]]


@pytest.fixture(autouse=True)
def _short(tiny_models: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a tiny encoder, and few steps for the evaluations with few labels."""
    monkeypatch.setattr("pse_repro.evaluation.low_label.EPOCH_STEPS", 2)


def test_every_evaluation_gets_what_a_cpu_gets(
    gpu: Machine, rounding: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without dropout, because a GPU draws its masks from its own random numbers.
    monkeypatch.setattr("torch.nn.functional.dropout", lambda inputs, *_, **__: inputs)
    found, expected = results(tmp_path / "gpu", gpu), results(tmp_path / "cpu", CPU)
    assert set(found.index) == set(expected.index)
    # Accuracies on a few images jump if rounding changes which class comes first.
    losses = [key for key in expected.index if key[-1] in ("loss", "validation_loss")]
    assert {evaluation for _, evaluation, *_ in losses} == {"pretrain", *STUDY["evaluations"]} - {"cluster"}
    np.testing.assert_allclose(found.loc[losses], expected.loc[losses], rtol=rounding)


def test_every_evaluation_runs_in_bf16_with_dropout(tmp_path: Path) -> None:
    found = results(tmp_path, choose_machine("cuda", "bf16"))
    losses = found[found.index.get_level_values("metric") == "loss"]
    assert len(losses) == 2 * 6 * 3  # protocols, evaluations with folds, two folds and their ensemble
    assert np.isfinite(losses["value"]).all()
