"""The optimizer that a model has of its own, its learning rate from step to step, and resuming both."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from pse_repro.config.study import Budget, Model, OptimizerSettings
from pse_repro.training.optimizer import rate_factor
from pse_repro.training.pretrain import Pretraining
from tests.support.pretraining import nothing, outcome, pretraining, resumed, saved

STEPS = 40
MSE = Model("cnn", "mse", learning_rate=0.01)


@pytest.mark.parametrize("warmup", [0, 10])
@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_schedules_are_those_of_pytorch(schedule: Any, warmup: int) -> None:
    settings = OptimizerSettings(schedule=schedule, warmup=warmup / STEPS or None)
    optimizer = torch.optim.SGD([torch.zeros(1)], 1.0)
    parts = [LinearLR(optimizer, 1e-9, 1.0, warmup)] if warmup else []
    cosine = CosineAnnealingLR(optimizer, STEPS - warmup) if schedule == "cosine" else LinearLR(optimizer, 1.0)
    reference = SequentialLR(optimizer, [*parts, cosine], [warmup] * len(parts))
    for step in range(STEPS):
        assert rate_factor(settings, step / STEPS) == pytest.approx(reference.get_last_lr()[0], abs=1e-7)
        optimizer.step()
        reference.step()


@given(warmup=st.floats(0.01, 0.99), first=st.floats(0, 1), second=st.floats(0, 1))
def test_the_rate_rises_in_the_warm_up_falls_after_it_and_stays_within_its_own(
    warmup: float, first: float, second: float
) -> None:
    settings = OptimizerSettings(schedule="cosine", warmup=warmup)
    first, second = sorted((first, second))
    one, other = rate_factor(settings, first), rate_factor(settings, second)
    assert 0 <= min(one, other) <= max(one, other) <= 1
    if second < warmup:
        assert one <= other
    elif first >= warmup:
        assert one >= other


def rates(training: Pretraining, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Train, and return the learning rate of each step."""
    found, optimizer = [], training.state.optimizer
    step = optimizer.step
    monkeypatch.setattr(optimizer, "step", lambda: found.append(optimizer.param_groups[0]["lr"]) or step())
    training.run(nothing, nothing)
    return found


@pytest.mark.usefixtures("tiny_models")
def test_a_training_follows_its_schedule_over_epochs_and_no_step_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    own = replace(MSE, schedule="cosine", warmup=0.25)
    found = rates(pretraining(own, 2, budget=Budget(steps=8)), monkeypatch)
    assert found == [0.01 * rate_factor(own, (step + 0.5) / 8) for step in range(8)]
    assert found[0] == pytest.approx(0.0025)  # a quarter of the way up after half a step of two
    assert 0 < found[-1] < 0.0005
    assert rates(pretraining(MSE, 2, budget=Budget(steps=8)), monkeypatch) == [0.01] * 8


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, lambda weights: torch.optim.Adam(weights, 0.01)),
        ({"weight_decay": 0.5}, lambda weights: torch.optim.Adam(weights, 0.01, weight_decay=0.5)),
        (
            {"optimizer": "adamw", "weight_decay": 0.5},
            lambda weights: torch.optim.AdamW(weights, 0.01, weight_decay=0.5),
        ),
        ({"optimizer": "sgd"}, lambda weights: torch.optim.SGD(weights, 0.01, momentum=0.9)),
    ],
    ids=["as ever", "decay", "adamw", "sgd"],
)
def test_each_optimizer_takes_the_steps_of_pytorchs(settings: dict[str, Any], expected: Any) -> None:
    """Under a model's own settings, and with gradients that are not clipped."""
    training = pretraining(replace(MSE, clip=0.0, **settings), 1, budget=Budget(steps=3))
    reference = pretraining(replace(MSE, clip=0.0), 1, budget=Budget(steps=3))
    reference.state.optimizer = expected(reference.state.network.parameters())
    for each in (training, reference):
        each.run(nothing, nothing)
    ours, theirs = (each.state.network.state_dict().values() for each in (training, reference))
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize(("clip", "norms"), [(None, [1.0] * 2), (0.25, [0.25] * 2), (0.0, [])])
def test_the_clip_is_the_models_own_else_the_protocols(
    clip: float | None, norms: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[float] = []
    monkeypatch.setattr("torch.nn.utils.clip_grad_norm_", lambda _, norm: found.append(norm))
    pretraining(replace(MSE, clip=clip), 1, budget=Budget(steps=2)).run(nothing, nothing)
    assert found == norms


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_training_with_settings_of_its_own_resumes_after_any_batch(optimizer: Any, tmp_path: Path) -> None:
    own = replace(MSE, optimizer=optimizer, schedule="cosine", warmup=0.3, weight_decay=0.1, batch_size=5)

    def fresh() -> Pretraining:
        return pretraining(own, 2, budget=Budget(images=40))

    whole, paths = fresh(), []

    def save(_: object) -> None:
        paths.append(saved(whole.state, tmp_path / str(len(paths))))

    whole.run(save, save)
    assert [row["steps"] for row in whole.state.curves] == [4, 8]  # 40 images
    for path in paths:
        assert outcome(resumed(fresh(), path)) == outcome(whole.state), path.name
