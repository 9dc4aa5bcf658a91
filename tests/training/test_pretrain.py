"""Pre-training: the split, the length, the best checkpoint, resuming, and a loss that is not finite."""

import math
from dataclasses import replace

import pytest
import torch

from pse_repro.config.study import Budget, Model, Recipe, Unlabeled
from pse_repro.data.batches import Images
from pse_repro.data.stl10 import Dataset
from pse_repro.errors import CellError, NotFitError
from pse_repro.study.cells import length_of
from pse_repro.training.pretrain import Pretraining, split_unlabeled
from pse_repro.training.state import State
from tests.support.pretraining import PSE_3, nothing, pretraining, with_copies
from tests.support.tiny import CPU, protocol

pytestmark = pytest.mark.usefixtures("tiny_models")


def weights(state: State) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in state.network.state_dict().values()]


def positions(part: Images) -> list[int]:
    """Return the indices of the images in the unlabelled split."""
    assert part.indices is not None
    return part.indices.tolist()  # type: ignore[no-any-return]


def test_split_is_85_to_15_disjoint_and_the_same_for_all_models_of_a_seed() -> None:
    first, second = pretraining(), pretraining(Model("cnn", "mse"))
    assert (len(first.train), len(first.validation)) == (51, 9)
    train, validation = positions(first.train), positions(first.validation)
    assert sorted(train + validation) == list(range(60))
    assert train == positions(second.train)
    assert train != sorted(train)


def test_partial_batches_are_dropped_in_training_and_validation() -> None:
    seen: list[int] = []
    pretraining(epochs=1).run(nothing, seen.append)
    assert seen == [8] * 6 + [8]  # 51 training images are 6 batches of 8, 9 validation images are 1


def test_fewer_validation_images_than_a_batch_are_refused() -> None:
    with pytest.raises(
        NotFitError, match=r"40 unlabelled images leave 6 for validation; expected at least one batch of 8"
    ):
        pretraining(unlabeled=40)


def test_under_a_budget_an_epoch_has_its_steps_however_many_passes_that_takes() -> None:
    training, seen = pretraining(epochs=2, budget=Budget(steps=18)), []
    images = training.images_left
    training.run(nothing, seen.append)
    assert seen == ([8] * 9 + [8]) * 2  # a pass has 6 steps; each epoch ends with the validation batch
    assert (sum(seen), training.images_left) == (images, 0)
    assert [row["steps"] for row in training.state.curves] == [9, 18]


def test_under_a_budget_of_seconds_an_epoch_ends_when_they_have_passed() -> None:
    training = pretraining(epochs=2, budget=Budget(seconds=0.02))
    training.run(nothing, nothing)
    assert [row["epoch"] for row in training.state.curves] == [0, 1]
    assert training.state.curves[1]["steps"] > training.state.curves[0]["steps"] >= 1


def test_the_loss_falls_and_the_best_checkpoint_is_the_lowest_validation_loss() -> None:
    training = pretraining(epochs=6)
    snapshots: list[list[torch.Tensor]] = []
    training.run(lambda state: snapshots.append(weights(state)), nothing)
    losses = [row["validation_loss"] for row in training.state.curves]
    assert losses[-1] < losses[0]
    assert training.state.best_epoch == losses.index(min(losses))
    kept = list(training.state.best.values())
    assert all(torch.equal(a, b) for a, b in zip(kept, snapshots[training.state.best_epoch], strict=True))


def test_curves_hold_both_losses_on_the_validation_images() -> None:
    training = pretraining(epochs=1)
    training.run(nothing, nothing)
    row = training.state.curves[0]
    autoencoder = training.state.network.eval()
    images = training.validation[torch.arange(8)]
    with torch.no_grad():
        residual = autoencoder(images)[1] - images
    assert row["validation_mse"] == pytest.approx(float(residual.square().mean()), rel=1e-5)
    assert row["validation_loss"] == row["validation_pse"] < row["validation_mse"] / 9  # a third of the mass, squared
    assert row["steps"] == 6


def test_clipping_bounds_the_gradient_and_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []
    clip = torch.nn.utils.clip_grad_norm_

    def spy(parameters: object, norm: float) -> torch.Tensor:
        norms.append(norm)
        return clip(parameters, norm)  # type: ignore[arg-type]

    monkeypatch.setattr("torch.nn.utils.clip_grad_norm_", spy)
    pretraining(epochs=1).run(nothing, nothing)
    assert norms == [1.0] * 6
    pretraining(epochs=1, gradient_clipping=False).run(nothing, nothing)
    assert len(norms) == 6


def test_adam_has_the_models_own_learning_rate_else_the_protocols() -> None:
    for model, rate in ((Model("cnn", "mse"), 1e-3), (Model("cnn", "mse", learning_rate=0.5), 0.5)):
        assert pretraining(model).state.optimizer.param_groups[0]["lr"] == rate


@pytest.mark.parametrize("name", ["mse", "rotation", "pirl-jigsaw", "jigsaw", "patch-location", "simclr"])
def test_only_objectives_that_a_border_would_not_help_see_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    training = pretraining(Model("cnn", name), pretrain_augmentation="small")
    training.train.stored_NCWH = torch.full_like(training.train.stored_NCWH, 128)
    seen: list[torch.Tensor] = []
    loss = training.objective.loss
    monkeypatch.setattr(training.objective, "loss", lambda net, batch: seen.append(batch.images) or loss(net, batch))
    training.train_epoch(0, nothing)
    assert bool((torch.cat(seen) == 0).any()) == (name in ("mse", "rotation", "pirl-jigsaw"))


def test_a_loss_that_is_not_finite_stops_the_cell_and_says_what_was_found() -> None:
    training = pretraining()
    with torch.no_grad():
        next(training.state.network.parameters()).fill_(math.nan)
    with pytest.raises(CellError, match=r"cell: train_loss is nan in epoch 0"):
        training.run(nothing, nothing)


def without_copies(data: Dataset, model: Model = PSE_3, epochs: int = 2) -> Recipe:
    return Recipe("cell", model, protocol(), length_of(model, protocol(), epochs), 0, "without-test")


def test_copies_of_test_images_are_left_out_of_the_same_split() -> None:
    data = with_copies(6)
    recipe = without_copies(data)
    both = split_unlabeled(replace(recipe, unlabeled="all"), data)
    found = split_unlabeled(recipe, data)
    for every, kept in zip(both, found, strict=True):
        assert kept.tolist() == [index for index in every.tolist() if index >= 6]
    training = Pretraining(recipe, data, CPU)
    assert (positions(training.train), positions(training.validation)) == tuple(part.tolist() for part in found)
    assert len(training.train) + len(training.validation) == 74


@pytest.mark.parametrize("name", ["mse", "pirl-jigsaw", "deepcluster"])
def test_what_is_left_out_changes_nothing_and_without_copies_nothing_changes(name: str) -> None:
    def trained(data: Dataset, unlabeled: Unlabeled) -> State:
        recipe = replace(without_copies(data, Model("cnn", name), 1), unlabeled=unlabeled)
        training = Pretraining(recipe, data, CPU)
        training.run(nothing, nothing)
        return training.state

    def equal(one: State, other: State) -> bool:
        return all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))

    clean = with_copies(0)
    assert equal(trained(clean, "without-test"), trained(clean, "all"))
    data, others = with_copies(6), with_copies(6)
    first, second = data.unlabeled.stored_NCWH[0].copy(), data.unlabeled.stored_NCWH[1].copy()
    others.unlabeled.stored_NCWH[0], others.unlabeled.stored_NCWH[1] = second, first  # other copies at these places
    assert equal(trained(data, "without-test"), trained(others, "without-test"))
    assert not equal(trained(data, "without-test"), trained(data, "all"))


def test_images_that_are_all_copies_are_refused() -> None:
    data = with_copies(40, unlabeled=40)
    with pytest.raises(NotFitError, match="0 unlabelled images that equal no test image leave 0 for validation"):
        split_unlabeled(without_copies(data), data)
