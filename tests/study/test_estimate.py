"""The estimate counts each part of a study's work once, at its measured cost."""

import time
from dataclasses import replace

import pytest
import torch

from pse_repro.config.protocol import Protocol, load_protocol
from pse_repro.config.study import Budget, Model, Study
from pse_repro.evaluation.cost import Costs
from pse_repro.machine.device import Machine
from pse_repro.study import estimate
from pse_repro.study.estimate import estimate_seconds, measure
from pse_repro.study.load import load_study
from tests.support.tiny import CPU

FREE = Costs(train=0, forward=0, encode=0, small=0, high=0, step=0, classify=0)


def seconds(study: Study, *protocols: Protocol, seeds: int = 1, **costs: float) -> float:
    cost = replace(FREE, **costs)
    return estimate_seconds(study, list(protocols), seeds, CPU, {"cnn": cost, "resnet": cost})


def models_only(name: str) -> Study:
    return replace(load_study(name), baselines=())


def test_pretraining_is_85_percent_trained_and_15_percent_read_an_epoch() -> None:
    study, protocol = models_only("full"), load_protocol("as-released")
    epochs = 116 + 72 + 172 + 227 + 334 + 326 + 218
    assert seconds(study, protocol, train=1) == pytest.approx(epochs * 85_000)
    assert seconds(study, protocol, forward=1) == pytest.approx(epochs * 15_000)
    steps = (116 + 72) * 85_000 / 64 + (172 + 227 + 334 + 326 + 218) * 85_000 / 128  # switch 14
    assert seconds(study, protocol, step=1) == pytest.approx(steps)
    assert seconds(study, protocol, small=1) == 0  # switch 4


def test_folds_are_typical_epochs_of_reading_and_augmenting() -> None:
    study, protocol = models_only("full"), load_protocol("as-released")
    finetuning, frozen = 7 * 5 * (160 * 5000 + 8000), 7 * (5 * 5000 + 8000)
    assert seconds(study, protocol, encode=1) == pytest.approx(finetuning + frozen)
    assert seconds(study, protocol, high=1) == pytest.approx(7 * 5 * 4000 * (160 + 1))
    assert seconds(study, protocol, classify=1) == pytest.approx(2 * 7 * 5 * 160 * 4000 / 128)


def test_smoke_takes_its_own_sizes() -> None:
    study = load_study("smoke")
    protocol = load_protocol("as-released", study.overrides)
    assert seconds(study, protocol, train=1) == pytest.approx(2 * 5 * 240 * 0.85)
    assert seconds(study, protocol, encode=1) == pytest.approx(2 * (2 * (4 * 250 + 400) + 2 * 250 + 400))
    sample = {"unlabeled": 3000, "train": 1000, "test": 800}
    one = replace(FREE, train=1, encode=1)
    of_sample = estimate_seconds(study, [protocol], 1, CPU, {"cnn": one}, sample)
    assert of_sample == pytest.approx(estimate_seconds(study, [protocol], 1, CPU, {"cnn": one}))


def test_other_images_count_as_they_are() -> None:
    study = models_only("quick")
    protocol = load_protocol("as-released", study.overrides)
    few = {"unlabeled": 1000, "train": 100, "test": 10}
    found = estimate_seconds(study, [protocol], 1, CPU, {"cnn": replace(FREE, train=1)}, few)
    assert found == pytest.approx(2 * 8 * 850)


def test_seeds_and_training_the_encoder_add_up() -> None:
    study = replace(models_only("quick"), evaluations=("finetune",))
    released, described = (load_protocol(name, study.overrides) for name in ("as-released", "as-described"))
    assert seconds(study, released, seeds=3, encode=1) == pytest.approx(3 * seconds(study, released, encode=1))
    more = seconds(study, described, encode=1) - seconds(study, released, encode=1)
    assert more == pytest.approx(2 * 2 * 60 * 4000 * (3 - 1))  # models, folds, epochs: three passes instead of one
    assert seconds(study, described, small=1) == pytest.approx(2 * 8 * 85_000)


def test_what_protocols_share_counts_once() -> None:
    study = models_only("quick")
    one, scored = (load_protocol(name, study.overrides) for name in ("as-released", "as-released+12"))
    assert seconds(study, one, scored, train=1, encode=1) == seconds(study, one, train=1, encode=1)
    evaluated = load_protocol("as-released+9", study.overrides)  # another classifier
    assert seconds(study, one, evaluated, train=1) == seconds(study, one, train=1)
    assert seconds(study, one, evaluated, encode=1) == 2 * seconds(study, one, encode=1)


def test_a_budget_is_what_is_trained_whatever_there_is_to_train_on() -> None:
    base = replace(models_only("quick"), evaluations=("frozen",))
    protocol = load_protocol("as-released", base.overrides)
    epochs, size, models = base.epochs, protocol.settings.batch_size, len(base.models)
    steps = {count: replace(base, budget=Budget(steps=count * epochs)) for count in (10, 20)}
    for count, study in steps.items():
        assert seconds(study, protocol, step=1) == pytest.approx(models * epochs * count)
        assert seconds(study, protocol, train=1) == pytest.approx(models * epochs * count * size)
        assert seconds(study, protocol, forward=1) == pytest.approx(models * epochs * 15_000)  # validation, each epoch
    images = replace(base, budget=Budget(images=20 * epochs * size))
    assert seconds(images, protocol, train=1) == seconds(steps[20], protocol, train=1)
    timed = replace(base, budget=Budget(seconds=600.0))
    assert seconds(timed, protocol, train=1, step=1) == pytest.approx(models * 600)


def test_what_gives_no_images_back_trains_its_encoder_at_least() -> None:
    base = models_only("quick")
    study = replace(base, models=(Model("cnn", "rotation"),), evaluations=("knn",))
    protocol = load_protocol("as-released", study.overrides)
    assert seconds(study, protocol, train=1, forward=1) == 0
    passes = study.epochs * (3 * 85_000 + 15_000)  # a training step costs three passes
    assert seconds(study, protocol, encode=1) == pytest.approx(passes + 5000 + 8000)


def test_features_are_read_once_and_few_labels_take_a_fixed_number_of_steps() -> None:
    protocol = load_protocol("as-released")  # batches of 128, longer than the 1,000 steps

    def judging(*evaluations: str) -> float:
        study = replace(models_only("quick"), models=(Model("cnn", "mse"),), evaluations=evaluations, folds=2)
        return seconds(study, protocol, encode=1)

    for evaluation in ("linear", "knn", "cluster"):
        assert judging(evaluation) == pytest.approx(5000 + 8000)
    assert judging("linear", "knn") == pytest.approx(2 * (5000 + 8000))
    assert judging("low-label-1") == pytest.approx(2 * (3 * 1000 * 50 + 8000))  # folds; three passes; 1 % of 5,000
    for evaluation in ("low-label-10", "low-label-100"):
        assert judging(evaluation) == pytest.approx(2 * (3 * 1000 * 128 + 8000))


def test_an_untrained_encoder_is_only_judged() -> None:
    study = load_study("quick")
    protocol = load_protocol("as-released", study.overrides)
    assert seconds(study, protocol, train=1) == seconds(models_only("quick"), protocol, train=1)
    assert seconds(study, protocol, encode=1) == pytest.approx(1.5 * seconds(models_only("quick"), protocol, encode=1))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_costs_are_measured(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    monkeypatch.setattr(estimate, "MEASURED_BATCH", 2)
    monkeypatch.setattr(estimate, "MEASURE_SECONDS", 0.2)
    costs = measure(["resnet", "cnn"], Machine(torch.device("cpu"), precision))
    assert list(costs) == ["cnn", "resnet"]
    assert all(value > 0 for cost in costs.values() for value in vars(cost).values())
    assert costs["cnn"].encode < costs["resnet"].encode
    assert costs["cnn"].encode < costs["cnn"].train


def test_a_measurement_warms_up_and_repeats_to_its_budget() -> None:
    taken = iter([0.1, 0.001, 0.002, *[0.004] * 1000])
    work = iter(lambda: time.sleep(next(taken)), object())
    fastest = estimate._fastest(lambda: next(work), CPU, 0.15)
    assert 0.001 <= fastest < 0.1
    slow = iter([0.02, 0.001])
    assert estimate._fastest(lambda: time.sleep(next(slow)), CPU, 0.01) >= 0.02  # no time for a second repeat
