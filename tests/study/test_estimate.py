"""The estimate counts a study's work and scales with a machine's speed."""

from dataclasses import replace

import pytest

from pse_repro.config import load_protocol, load_study
from pse_repro.study import estimate
from pse_repro.study.estimate import estimate_seconds
from tests.tiny import CPU


@pytest.fixture(autouse=True)
def _fixed_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """100 images a second through a training step, 1,000 through the encoder."""
    monkeypatch.setattr(estimate, "_rates", lambda encoder, machine: (100.0, 1000.0))


def test_full_is_its_epochs_over_100_000_images_and_its_folds() -> None:
    study, protocol = load_study("full"), load_protocol("as-released")
    pretraining = (116 + 72 + 172 + 227 + 334 + 326 + 218) * 100_000 / 100
    finetuning = 7 * 5 * (160 * 5000 + 8000) / 1000
    frozen = 7 * (5 * 5000 + 8000) / 1000
    assert estimate_seconds(study, [protocol], 1, CPU) == pytest.approx(pretraining + finetuning + frozen)


def test_seeds_protocols_and_training_the_encoder_add_up() -> None:
    study = replace(load_study("quick"), evaluations=("finetune",))
    released, described = (load_protocol(name, study.overrides) for name in ("as-released", "as-described"))
    one = estimate_seconds(study, [released], 1, CPU)
    assert estimate_seconds(study, [released], 3, CPU) == pytest.approx(3 * one)
    whole = estimate_seconds(study, [described], 1, CPU) - one  # 2 models x 2 folds x 60 epochs, ten times as slow
    assert whole == pytest.approx(2 * 2 * 60 * 5000 * (1 / 100 - 1 / 1000))


def test_rates_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(estimate, "MEASURED_BATCH", 2)
    trained, read = estimate._rates("cnn", CPU)
    assert 0 < trained < read
