"""Few labels: the choice of images, the length of training, and the benefit of more labels."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pse_repro.config.protocol import Protocol
from pse_repro.data.stl10 import Dataset
from pse_repro.errors import CellError
from pse_repro.evaluation import low_label
from pse_repro.evaluation.base import Setup
from pse_repro.evaluation.encoders import fingerprint
from pse_repro.evaluation.low_label import EPOCH_STEPS, LowLabel
from tests.support.tiny import CPU, TinyAutoencoder, dataset, protocol

pytestmark = pytest.mark.usefixtures("tiny_models")

DATA = dataset(train=200)
FRACTIONS = {"low-label-1": 0.01, "low-label-10": 0.1, "low-label-100": 1.0}
SHORT = protocol(downstream_max_epochs=2)


def pretrained() -> nn.Module:
    torch.manual_seed(0)
    return TinyAutoencoder().encoder


def nobody(number: int, epoch: int, loss: float) -> None:
    pass


def evaluation(name: str = "low-label-10", under: Protocol = SHORT, data: Dataset = DATA) -> LowLabel:
    return LowLabel(Setup(f"cell/{name}", "cnn", under, data, CPU), FRACTIONS[name])


@pytest.mark.parametrize(("name", "per_class"), [("low-label-1", 1), ("low-label-10", 2), ("low-label-100", 20)])
def test_subsets_are_balanced(name: str, per_class: int) -> None:
    counts = np.bincount(DATA.train.stored_labels[evaluation(name).subset(1)], minlength=11)[1:]
    assert counts.tolist() == [per_class] * 10


def test_subsets_are_nested_and_their_numbers_tell_them_apart() -> None:
    one, ten, all_of_them = (evaluation(f"low-label-{share}") for share in (1, 10, 100))
    for number in (1, 2, 3):
        assert set(one.subset(number)) < set(ten.subset(number)) < set(all_of_them.subset(number))
    assert len({tuple(one.subset(number)) for number in (1, 2, 3)}) == 3


def test_labels_too_few_for_one_a_class_are_told() -> None:
    assert evaluation("low-label-1").note == (
        "1 % of 200 labelled images is less than one per class; 1 of each class is used, 10 in all"
    )
    assert evaluation("low-label-10").note == evaluation("low-label-100").note == ""


def test_a_subset_does_not_depend_on_the_ones_with_it() -> None:
    told: list[tuple[int, int]] = []

    def after_epoch(number: int, epoch: int, loss: float) -> None:
        told.append((number, epoch))

    found = dict(evaluation().run([1, 2, 3], pretrained, after_epoch))
    assert told == [(number, epoch) for number in (1, 2, 3) for epoch in range(2)]
    for number, result in found.items():
        ((_, alone),) = evaluation().run([number], pretrained, nobody)
        assert alone.fitted == result.fitted
        np.testing.assert_array_equal(alone.probabilities_NK, result.probabilities_NK)
    assert len({result.fitted.train_losses[0] for result in found.values()}) == 3


def test_a_result_holds_probabilities_and_training_losses_alone() -> None:
    ((_, result),) = evaluation().run([1], pretrained, nobody)
    assert result.probabilities_NK.shape == (40, 10)
    np.testing.assert_allclose(result.probabilities_NK.sum(1), 1)
    assert len(result.fitted.train_losses) == 2
    assert (result.fitted.best_epoch, result.fitted.validation_losses) == (1, [])
    assert result.seconds > 0


@pytest.mark.parametrize(("name", "size"), [("low-label-1", 10), ("low-label-10", 16), ("low-label-100", 16)])
def test_every_fraction_takes_as_many_steps_of_a_batch_at_most(
    name: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def fake(kind: str) -> Callable[[Tensor], Tensor]:
        def augment(images: Tensor) -> Tensor:
            assert len(images.flatten(1).unique(dim=0)) == len(images)
            sizes.append(len(images))
            return images

        return augment

    monkeypatch.setattr(low_label, "downstream_augmentation", fake)
    judged = evaluation(name, protocol(batch_size=16, downstream_max_epochs=3))
    list(judged.run([1], pretrained, nobody))
    assert sizes == [size] * 3 * EPOCH_STEPS
    assert judged.images_per_epoch == size * EPOCH_STEPS
    assert judged.max_epochs == 3
    assert evaluation(name, protocol(downstream_max_epochs=1000)).max_epochs == 100


def test_the_rate_falls_by_half_a_cosine(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []

    def fake(model: nn.Module, optimizer: torch.optim.Optimizer, *others: object) -> Callable[[Tensor, Tensor], Tensor]:
        def step(inputs: Tensor, labels: Tensor) -> Tensor:
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            return torch.zeros(())

        return step

    monkeypatch.setattr(low_label, "training_step", fake)
    list(evaluation(under=protocol(learning_rate=1e-3, downstream_max_epochs=8)).run([1], pretrained, nobody))
    assert rates[::EPOCH_STEPS] == pytest.approx([0.5e-3 * (1 + math.cos(math.pi * epoch / 8)) for epoch in range(8)])


def test_passes_go_through_the_whole_subset_and_images_keep_their_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(low_label, "downstream_augmentation", lambda kind: None)
    judged = evaluation("low-label-100", protocol(batch_size=20))
    endless = judged._batches(1)
    taken = [next(endless) for _ in range(20)]  # two passes
    expected = torch.from_numpy(DATA.train.stored_NCWH).transpose(2, 3).float() / 255
    for half in (taken[:10], taken[10:]):
        images = torch.cat([images for images, _ in half])
        which = torch.cdist(images.flatten(1), expected.flatten(1)).argmin(1)
        assert sorted(which.tolist()) == list(range(200))
        np.testing.assert_array_equal(torch.cat([labels for _, labels in half]) + 1, DATA.train.stored_labels[which])


def test_the_whole_encoder_is_trained_whatever_switch_7_says_and_each_subset_starts_anew() -> None:
    encoders: list[nn.Module] = []

    def new_encoder() -> nn.Module:
        encoders.append(pretrained())
        return encoders[-1]

    list(evaluation().run([1, 2], new_encoder, nobody))
    assert len(encoders) == 2
    assert len({fingerprint(encoder, buffers=False) for encoder in (*encoders, pretrained())}) == 3


def test_a_loss_that_is_not_finite_stops_the_cell() -> None:
    broken = pretrained()
    with torch.no_grad():
        next(broken.parameters()).fill_(math.nan)
    with pytest.raises(CellError, match="cell/low-label-10/subset 1: loss is nan in epoch 0"):
        list(evaluation().run([1], lambda: broken, nobody))


def test_more_labels_help() -> None:
    under = protocol(
        switches={"downstream_augmentation": "none"}, batch_size=32, downstream_max_epochs=15, learning_rate=1e-2
    )
    data = dataset(train=1000, test=300)
    accuracy = {}
    for name in ("low-label-1", "low-label-100"):
        ((_, result),) = evaluation(name, under, data).run([1], pretrained, nobody)
        accuracy[name] = float((result.probabilities_NK.argmax(1) == data.test.targets).mean())
    assert accuracy["low-label-100"] > accuracy["low-label-1"] + 0.05
