"""The two evaluations: which weights change, and which images are augmented (switches 7 to 10)."""

import time
from collections.abc import Callable
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pse_repro.config.protocol import Protocol
from pse_repro.data.stl10 import Dataset
from pse_repro.errors import CellError
from pse_repro.evaluation import downstream
from pse_repro.evaluation.base import FoldResult, Setup
from pse_repro.evaluation.downstream import Downstream
from pse_repro.evaluation.encoders import fingerprint
from pse_repro.machine.device import Machine
from tests.support.tiny import CPU, TinyAutoencoder, dataset, protocol

pytestmark = pytest.mark.usefixtures("tiny_models")


JOINT = replace(CPU, joint_folds=True)
EVALUATIONS = [("finetune", "as-released"), ("finetune", "as-described"), ("frozen", "as-released")]


both_forms = pytest.mark.parametrize("machine", [CPU, JOINT], ids=["one by one", "jointly"])


def build(evaluation: str, under: Protocol, machine: Machine = CPU, data: Dataset | None = None) -> Downstream:
    setup = Setup(f"cell/{evaluation}", "cnn", under, data or dataset(), machine)
    return Downstream(setup, frozen=evaluation == "frozen")


def judged(evaluation: str, under: Protocol, machine: Machine = CPU) -> tuple[nn.Module, nn.Module, FoldResult]:
    """Return the encoder before and after one fold, and the fold's result."""
    before, after = pretrained(), pretrained()
    ((_, result),) = build(evaluation, under, machine).run([1], lambda: after, nobody)
    return before, after, result


def pretrained() -> nn.Module:
    torch.manual_seed(0)
    return TinyAutoencoder().encoder


def nobody(number: int, epoch: int, loss: float) -> None:
    pass


@pytest.mark.parametrize(
    ("evaluation", "name", "precision"),
    [("finetune", "as-released", "bf16"), ("finetune", "as-described", "fp32"), ("frozen", "as-released", "fp32")],
)
def test_folds_trained_jointly_equal_folds_trained_one_after_another(
    evaluation: str, name: str, precision: str
) -> None:
    data = dataset(train=52)  # folds of 34 and 18, 35 and 17, 35 and 17
    forms = [replace(CPU, precision=precision, joint_folds=joint_folds) for joint_folds in (True, False)]
    jointly, one_by_one = (
        dict(build(evaluation, protocol(name, folds=3), machine, data).run([1, 2, 3], pretrained, nobody))
        for machine in forms
    )
    tolerance = 1e-4 if precision == "fp32" else 1e-2
    for number, expected in one_by_one.items():
        found = jointly[number]
        assert found.fitted.validation_losses == pytest.approx(expected.fitted.validation_losses, rel=tolerance)
        assert found.fitted.train_losses == pytest.approx(expected.fitted.train_losses, rel=tolerance)
        np.testing.assert_allclose(found.probabilities_NK, expected.probabilities_NK, atol=tolerance)


@pytest.mark.parametrize(("joint_folds", "evaluation", "name", "calls"), [
    (False, "finetune", "as-released", 0), (False, "frozen", "as-released", 0), (True, "finetune", "as-described", 0),
    (True, "finetune", "as-released", 1), (True, "frozen", "as-released", 1),
])  # fmt: skip
def test_folds_are_trained_jointly_only_if_asked_and_if_they_share_an_encoder(
    joint_folds: bool, evaluation: str, name: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = Mock(wraps=downstream.fit_together)
    monkeypatch.setattr(downstream, "fit_together", together)
    machine = replace(CPU, joint_folds=joint_folds)
    found = dict(build(evaluation, protocol(name), machine).run([1, 2], pretrained, nobody))
    assert (sorted(found), together.call_count) == ([1, 2], calls)


@both_forms
@pytest.mark.parametrize(("evaluation", "name"), EVALUATIONS)
def test_a_fold_does_not_depend_on_the_ones_with_it(evaluation: str, name: str, machine: Machine) -> None:
    under = protocol(name, folds=5)
    told: list[tuple[int, int]] = []

    def after_epoch(number: int, epoch: int, loss: float) -> None:
        told.append((number, epoch))

    found = dict(build(evaluation, under, machine).run([1, 2, 4], pretrained, after_epoch))
    assert sorted(told) == [(number, epoch) for number in (1, 2, 4) for epoch in range(3)]
    assert list(found) == [1, 2, 4]
    for number, result in found.items():
        ((_, alone),) = build(evaluation, under, machine).run([number], pretrained, nobody)
        assert alone.fitted == result.fitted
        np.testing.assert_array_equal(alone.probabilities_NK, result.probabilities_NK)


@both_forms
@pytest.mark.parametrize(("evaluation", "name"), EVALUATIONS)
def test_the_folds_seconds_add_up(evaluation: str, name: str, machine: Machine) -> None:
    downstream = build(evaluation, protocol(name), machine)
    started = time.monotonic()
    seconds = [result.seconds for _, result in downstream.run([1, 2, 3], pretrained, nobody)]
    elapsed = time.monotonic() - started
    assert 0.5 * elapsed < sum(seconds) <= elapsed
    assert min(seconds) > 0


def test_as_released_fine_tuning_changes_the_statistics_of_a_fold_s_encoder_alone() -> None:
    before, after, _ = judged("finetune", protocol())
    assert fingerprint(after, buffers=False) == fingerprint(before, buffers=False)
    assert fingerprint(after) != fingerprint(before)


def test_joint_fine_tuning_changes_neither_the_weights_nor_the_statistics_of_the_shared_encoder() -> None:
    before, after, _ = judged("finetune", protocol(), JOINT)
    assert fingerprint(after) == fingerprint(before)


@both_forms
def test_an_encoder_that_changes_in_as_released_fine_tuning_stops_the_cell(machine: Machine) -> None:
    encoder = pretrained()

    def disturb(*_: object) -> None:
        with torch.no_grad():
            next(encoder.parameters())[0, 0, 0, 0] += 1e-3

    encoder.register_forward_pre_hook(disturb)
    run = build("finetune", protocol(), machine).run([1, 2], lambda: encoder, nobody)
    with pytest.raises(CellError, match=r"cell/finetune: the encoder's weights( or buffers)? changed"):
        next(run)


def test_as_described_fine_tuning_changes_the_weights() -> None:
    before, after, _ = judged("finetune", protocol("as-described"))
    assert fingerprint(after, buffers=False) != fingerprint(before, buffers=False)


@both_forms
@pytest.mark.parametrize("name", ["as-released", "as-described"])
def test_frozen_changes_neither_weights_nor_statistics(name: str, machine: Machine) -> None:
    before, after, _ = judged("frozen", protocol(name), machine)
    assert fingerprint(after) == fingerprint(before)


@pytest.mark.parametrize("evaluation", ["finetune", "frozen"])
def test_a_fold_gives_probabilities_for_every_test_image_and_repeats_exactly(evaluation: str) -> None:
    _, _, first = judged(evaluation, protocol())
    _, _, second = judged(evaluation, protocol())
    assert first.probabilities_NK.shape == (40, 10)
    np.testing.assert_allclose(first.probabilities_NK.sum(1), 1)
    np.testing.assert_array_equal(first.probabilities_NK, second.probabilities_NK)


def counted(monkeypatch: pytest.MonkeyPatch, evaluation: str) -> list[tuple[int, bool]]:
    """Return (images, crop) of every call of the augmentation during the evaluation of one fold, over 3 epochs."""
    calls: list[tuple[int, bool]] = []

    def fake(kind: str, crop: bool = True) -> Callable[[Tensor], Tensor]:
        def augment(images: Tensor) -> Tensor:
            calls.append((len(images), crop))
            return images

        return augment

    monkeypatch.setattr(downstream, "downstream_augmentation", fake)
    judged(evaluation, protocol())
    return calls


def test_fine_tuning_augments_the_training_images_anew_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert counted(monkeypatch, "finetune") == [(8, True)] * 5 * 3  # 40 training images in batches of 8


def test_frozen_augments_the_training_images_once_and_without_the_crop(monkeypatch: pytest.MonkeyPatch) -> None:
    assert counted(monkeypatch, "frozen") == [(8, False)] * 5


def test_frozen_features_follow_switch_8() -> None:
    torch.manual_seed(0)
    encoder = TinyAutoencoder().encoder.eval()
    released = build("frozen", protocol())
    described = build("frozen", protocol("as-described"))
    images = released.test_images[torch.arange(40)]
    with torch.no_grad():
        torch.testing.assert_close(described.features(encoder, described.test_images), encoder(images))
        alone = released.features(encoder, released.test_images)
        one_by_one = torch.cat([encoder.train()(image[None]) for image in images])
    torch.testing.assert_close(alone, one_by_one, rtol=1e-4, atol=1e-5)
