"""A captured step trains as the plain one does, number for number: every objective, over epochs, with its own draws."""

from collections.abc import Callable
from typing import Literal

import pytest
import torch

from pse_repro.config.study import Model, Recipe
from pse_repro.errors import CellError
from pse_repro.machine.device import Machine, choose_machine
from pse_repro.objectives import OBJECTIVES
from pse_repro.seeding import seeded
from pse_repro.study.cells import length_of
from pse_repro.training.capture import AHEAD, WARM_UP, Captured
from pse_repro.training.classifier import fit
from pse_repro.training.pretrain import Pretraining
from tests.support.tiny import dataset, protocol, sigma_of

# Objectives whose steps cannot be captured, and why.
PLAIN = {
    "deepcluster": "every epoch has other clusters",
    "joint-mse": "the weight of its second term grows from step to step",
    "joint-pse": "the weight of its second term grows from step to step",
    "pirl-jigsaw": "its augmentation changes a random number of images",
    **dict.fromkeys(
        ("simclr", "moco", "byol", "simsiam", "barlow-twins", "vicreg", "lejepa"),
        "its augmentation changes a random number of images",
    ),
}
ONE_OF_A_KIND = {variant.kind: name for name, variant in reversed(OBJECTIVES.items()) if variant.trains}
CASES = [(name, "as-described") for name in ONE_OF_A_KIND.values()] + [("mse", "as-released"), ("pse", "as-released")]


def trained(
    model: Model, protocol_name: str, machine: Machine, captured: bool
) -> tuple[Pretraining, list[torch.Tensor]]:
    """Train two epochs; return the training and the loss sums after each step."""
    under = protocol(protocol_name)
    training = Pretraining(Recipe("cell", model, under, length_of(model, under, 2), 0), dataset(), machine)
    if not captured:
        training.captured = None
    sums: list[torch.Tensor] = []

    def after_batch(_: int) -> None:
        assert training.state.partial is not None
        sums.append(training.state.partial.loss_sum.clone())

    for epoch in range(2):
        training.train_epoch(epoch, after_batch)
        training.state.partial = None
    return training, sums


@pytest.mark.usefixtures("tiny_models", "settings_put_back")
@pytest.mark.parametrize(("name", "protocol_name"), CASES)
def test_every_objective_trains_as_without_a_graph(name: str, protocol_name: str) -> None:
    check_captured(Model("cnn", name, sigma_of(name)), protocol_name)


@pytest.mark.usefixtures("tiny_models", "settings_put_back")
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_captured_step_follows_the_schedule_of_its_learning_rate(optimizer: Literal["adam", "adamw", "sgd"]) -> None:
    schedule = Model("cnn", "mse", optimizer=optimizer, schedule="cosine", warmup=0.3, weight_decay=0.1)
    check_captured(schedule, "as-described")


def check_captured(model: Model, protocol_name: str) -> None:
    """Assert that a model is trained with captured steps, unless they cannot be, as without."""
    machine = choose_machine("cuda", "fp32", deterministic=True)
    (plain, expected), (ours, found) = (trained(model, protocol_name, machine, captured) for captured in (False, True))
    if model.objective in PLAIN:
        assert ours.captured is None or ours.captured.why_not
    else:
        assert ours.captured is not None
        assert ours.captured.why_not == ""
        assert len(ours.captured._graphs) == 1
    assert len(found) == len(expected) > 2 * WARM_UP
    for ours_sum, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours_sum.cpu(), theirs.cpu())
    for key, value in plain.state.network.state_dict().items():
        assert torch.equal(ours.state.network.state_dict()[key].cpu(), value.cpu()), key


class Fold:
    """Features of two training batches, the second of them smaller, and of a validation batch."""

    def __init__(self) -> None:
        self.inputs = torch.randn(3, 8, 6, generator=torch.Generator().manual_seed(0)).cuda()
        self.labels = (self.inputs.abs().sum(2) * 7 % 10).long()

    def train(self, epoch: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [(self.inputs[0], self.labels[0]), (self.inputs[1, :5], self.labels[1, :5])]

    def validation(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [(self.inputs[2], self.labels[2])]


@pytest.mark.usefixtures("settings_put_back")
def test_a_classifier_is_fitted_as_without_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its learning rate falls meanwhile, its dropout draws on the GPU, and its last batch is smaller."""
    machine = choose_machine("cuda", "fp32", deterministic=True)
    under = protocol("as-described", downstream_max_epochs=12, plateau_patience=1, learning_rate=0.05)
    found = []
    for captured in (True, False):
        with seeded("network"):
            model = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.Dropout(0.5), torch.nn.Linear(16, 10)).cuda()
        with monkeypatch.context() as patch:
            if not captured:
                patch.setattr("pse_repro.training.classifier.Captured", lambda step: step)
            found.append(fit("fold", model, Fold(), under, machine, lambda *_: None))
    assert found[0] == found[1]
    assert len(found[0].validation_losses) > 2 * WARM_UP
    assert found[0].best_epoch < len(found[0].validation_losses) - 1  # so that the rate has fallen


def test_what_cannot_be_captured_runs_as_it_is() -> None:
    def doubled(inputs: torch.Tensor) -> torch.Tensor:
        chosen = torch.rand(len(inputs)) < 0.5
        return inputs[chosen.nonzero()[:, 0].to(inputs.device)] * 2

    step = Captured(doubled)
    found = [len(step(torch.ones(8, device="cuda"))) for _ in range(2 * WARM_UP)]
    assert "nonzero depends on the numbers drawn" in step.why_not
    assert len(set(found)) > 1


def test_what_is_drawn_on_the_cpu_is_drawn_again_for_every_replay() -> None:
    """Draws that change tensors in place, or are combined before they are uploaded, included."""

    def drawn(inputs: torch.Tensor) -> torch.Tensor:
        first = torch.empty(4, 2).uniform_(-1, 1)
        first[:, 1] = torch.randint(9, (4,)).double()
        order = torch.randperm(4).to(inputs.device, non_blocking=True)
        noise = first.square().to(inputs.device, torch.float64, non_blocking=True)
        return (inputs[order] * noise[:, 0] + noise[:, 1]).detach()

    inputs, step = torch.arange(4, device="cuda"), Captured(drawn)
    torch.manual_seed(0)
    expected = [drawn(inputs + call) for call in range(9)]
    torch.manual_seed(0)
    found = [step(inputs + call) for call in range(9)]
    assert step.why_not == ""
    assert all(torch.equal(one.cpu(), other.cpu()) for one, other in zip(found, expected, strict=True))


def test_other_shapes_have_graphs_of_their_own() -> None:
    step = Captured(lambda inputs: inputs.sum(0, keepdim=True))
    for _ in range(WARM_UP + 2):
        for count in (8, 3):
            assert step(torch.ones(count, device="cuda")).item() == count
    assert step.why_not == ""
    assert len(step._graphs) == 2


def test_a_capture_that_cuda_refuses_ends_the_cell_with_a_remedy() -> None:
    def refused(inputs: torch.Tensor) -> torch.Tensor:
        if torch.cuda.is_current_stream_capturing():
            raise RuntimeError("operation not permitted\nwhen stream is capturing")
        return inputs.sum()

    step = Captured(refused)
    for _ in range(WARM_UP):
        step(torch.ones(2, device="cuda"))
    with pytest.raises(CellError, match=r"graph \(operation not permitted\); try --no-cuda-graphs"):
        step(torch.ones(2, device="cuda"))


@pytest.mark.parametrize("read", [torch.Tensor.item, torch.Tensor.cpu, torch.nonzero], ids=lambda read: read.__name__)
def test_a_step_that_reads_the_gpu_is_not_captured(read: Callable[[torch.Tensor], object]) -> None:
    """It is known before: a capture that CUDA has to break off leaves its memory and random numbers unfit for use."""

    def reading(inputs: torch.Tensor) -> torch.Tensor:
        read(inputs.sum()[None])
        return inputs.sum()

    step = Captured(reading)
    for _ in range(WARM_UP + 2):
        assert step(torch.ones(2, device="cuda")).item() == 2
    assert "depends on numbers of the GPU" in step.why_not


def test_python_stays_near_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []
    monkeypatch.setattr("torch.cuda.Event.synchronize", lambda event: waited.append(event))
    step = Captured(lambda inputs: inputs.sum())
    for _ in range(WARM_UP + AHEAD + 3):
        step(torch.ones(2, device="cuda"))
    assert len(waited) == 3
