"""The state of a pre-training: interrupted anywhere, stored and resumed, it ends like an uninterrupted one."""

import time
from pathlib import Path

import pytest
import torch

from pse_repro.config.study import Budget, Model
from pse_repro.objectives import OBJECTIVES
from pse_repro.study import store
from pse_repro.training.pretrain import Pretraining
from pse_repro.training.state import State, Stopwatch, optimizer_tensors
from tests.support.pretraining import nothing, outcome, pretraining, resumed, saved
from tests.support.tiny import sigma_of

pytestmark = pytest.mark.usefixtures("tiny_models")
IMAGES = 120  # 18 of them for validation: two batches of 8
# Other images or terms for the same network and state; tests/cuda/test_pretraining.py resumes these, too.
OTHER_OPTIONS = ("jigsaw-", "patch-location-", "inpaint-random", "pirl-jigsaw", "pirl-rotation", "joint-mse")


def of_objective(name: str) -> Model:
    return Model("cnn", name, sigma_of(name))


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if not name.startswith(OTHER_OPTIONS)])
def test_every_objective_resumes_within_an_epoch_with_the_same_numbers(name: str, tmp_path: Path) -> None:
    """Interrupted after a step and after a validation batch of the last epoch, and after its clustering."""

    def fresh() -> Pretraining:
        return pretraining(of_objective(name), 2, IMAGES, Budget(steps=4), pretrain_augmentation="small")

    whole, paths = fresh(), []

    def save(_: int) -> None:
        if whole.state.epoch == whole.length.epochs - 1:
            paths.append(saved(whole.state, tmp_path / str(len(paths))))

    whole.run(nothing, save)
    expected = outcome(whole.state)
    assert len(paths) == (4 if OBJECTIVES[name].trains else 2) + (name == "deepcluster")  # once more after clustering
    for path in {paths[0], *paths[-4::2]}:
        assert outcome(resumed(fresh(), path)) == expected, path.name


@pytest.mark.parametrize("fused", [False, True], ids=["for each weight", "fused"])
def test_a_run_resumed_after_any_batch_ends_with_the_same_numbers(
    fused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a budget of one pass and a half per epoch, so that some resume in an epoch's second pass."""
    adam = torch.optim.Adam  # fused only on a GPU
    monkeypatch.setattr("torch.optim.Adam", lambda weights, rate, **_: adam(weights, rate, fused=fused))

    def fresh() -> Pretraining:
        return pretraining(epochs=3, budget=Budget(steps=27), pretrain_augmentation="small")

    whole, paths = fresh(), []

    def save(_: object) -> None:
        paths.append(saved(whole.state, tmp_path / str(len(paths))))

    whole.run(save, save)
    moments = optimizer_tensors(whole.state.optimizer)["0.exp_avg"]
    assert moments.dim() == 4
    assert not moments.is_contiguous()
    assert len(paths) == 3 * (9 + 1 + 1)  # steps, a validation batch, the end of the epoch
    expected = outcome(whole.state)
    for path in paths[::3]:
        assert outcome(resumed(fresh(), path)) == expected, path.name


def test_a_state_from_before_epochs_were_saved_within_is_resumed(tmp_path: Path) -> None:
    whole, path = pretraining(epochs=2), tmp_path / "state"

    def save(state: State) -> None:
        if state.epoch == 1:
            note = {"best_epoch": state.best_epoch, "curves": [dict(row) for row in state.curves]}
            store.write_tensors(path, state.tensors(), note)

    whole.run(save, nothing)
    assert outcome(resumed(pretraining(epochs=2), path)) == outcome(whole.state)


def test_a_budget_of_seconds_counts_those_of_earlier_sessions(tmp_path: Path) -> None:
    budget = Budget(seconds=60)
    cut, path = pretraining(epochs=1, budget=budget), tmp_path / "state"

    def save(_: int) -> None:
        partial = cut.state.partial
        assert partial is not None
        if partial.steps == 3:
            partial.watch = Stopwatch(61 + partial.prepared)
            saved(cut.state, path)

    cut.run(nothing, save)
    assert [row["steps"] for row in cut.state.curves] == [3]
    again = resumed(pretraining(epochs=1, budget=budget), path)
    assert [row["steps"] for row in again.curves] == [3]
    assert again.curves[0]["seconds"] > 61


def test_what_is_left_shrinks_batch_by_batch() -> None:
    training = pretraining(epochs=2)
    left, found = training.images_left, []

    def after_batch(images: int) -> None:
        found.append(images)
        assert training.images_left == left - sum(found)

    training.run(nothing, after_batch)
    assert training.images_left == 0


def test_saving_takes_no_time_of_the_epoch() -> None:
    watch = Stopwatch(5.0)
    with watch.paused():
        time.sleep(0.2)
    assert 5.0 <= watch.seconds < 5.2
