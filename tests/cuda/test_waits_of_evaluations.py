"""Where the evaluations wait for the GPU, detected by CUDA's sync debug mode: not within a pass over batches."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import nn

from pse_repro.evaluation import downstream, low_label, on_features
from pse_repro.evaluation.base import FoldEvaluation, Setup
from pse_repro.evaluation.downstream import Downstream
from pse_repro.evaluation.low_label import LowLabel
from pse_repro.evaluation.on_features import OnFeatures, features
from pse_repro.machine.device import Machine, choose_machine
from pse_repro.training import folds_jointly
from tests.support.tiny import TinyAutoencoder, dataset, protocol


@pytest.fixture(autouse=True)
def _short(tiny_models: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a tiny encoder, short passes for features, and few steps for the evaluations with few labels."""
    monkeypatch.setattr(on_features, "FEATURE_BATCH", 8)
    monkeypatch.setattr(low_label, "EPOCH_STEPS", 6)  # a pass over the images has four


LOSSES = "an epoch's losses are copied to the CPU at once, for early stopping and the plateau"
LOSS = "an epoch's loss is copied to the CPU, for the progress"


@dataclass(frozen=True)
class Case:
    """An evaluation; why it waits for the GPU once an epoch, if it does."""

    evaluation: str
    protocol: str
    joint_folds: bool = False
    why: str = ""

    def __str__(self) -> str:
        return f"{self.evaluation}, {self.protocol}{', jointly' if self.joint_folds else ''}"

    def build(self, epochs: int = 2) -> FoldEvaluation:
        machine = replace(choose_machine("cuda", "bf16"), joint_folds=self.joint_folds)
        under = protocol(self.protocol, downstream_max_epochs=epochs, folds=2)
        setup = Setup("cell", "cnn", under, dataset(train=48, test=20), machine)
        if self.evaluation in ("linear", "knn"):
            return OnFeatures(setup, self.evaluation)  # type: ignore[arg-type]
        if self.evaluation == "low-label":
            return LowLabel(setup, 1.0)
        return Downstream(setup, frozen=self.evaluation == "frozen")

    def run(self, epochs: int = 2) -> None:
        list(self.build(epochs).run([1, 2], lambda: encoder(choose_machine("cuda", "bf16")), lambda *_: None))


TRAINED = [
    *(Case("finetune", name, why=LOSSES) for name in ("as-released", "as-described")),
    *(Case("frozen", name, why=LOSSES) for name in ("as-released", "as-described")),
    *(Case(name, "as-released", joint_folds=True, why=LOSSES) for name in ("finetune", "frozen")),
    Case("low-label", "as-released", why=LOSS),
]
FITTED = [Case("linear", "as-released"), Case("knn", "as-released")]


def encoder(machine: Machine) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TinyAutoencoder().encoder.to(machine.device, memory_format=torch.channels_last)


class Watch:
    """Make waiting an error while a pass over batches is beyond its first; `steps` counts the batches so watched."""

    def __init__(self) -> None:
        self.steps = 0

    def over(self, batches: Iterable[Any]) -> Iterator[Any]:
        try:
            for batch in batches:
                yield batch
                torch.cuda.set_sync_debug_mode("error")  # from the work for the second batch on
                self.steps += 1
        finally:
            torch.cuda.set_sync_debug_mode("default")

    def returned_by(self, function: Callable[..., Iterable[Any]]) -> Callable[..., Iterator[Any]]:
        return lambda *arguments, **keywords: self.over(function(*arguments, **keywords))

    def taken_by(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda model, batches, *others: function(model, self.over(batches), *others)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Watch all passes over batches."""
    watch = Watch()
    for module, name in ((downstream, "batches"), (on_features, "batches"), (folds_jointly, "_side_by_side")):
        monkeypatch.setattr(module, name, watch.returned_by(getattr(module, name)))
    for name in ("train_epoch", "predict"):  # the batches of low-label have no end
        monkeypatch.setattr(low_label, name, watch.taken_by(getattr(low_label, name)))
    return watch


@pytest.mark.parametrize("case", [*TRAINED, *FITTED], ids=str)
def test_no_step_of_a_pass_waits_for_the_gpu(case: Case, watch: Watch) -> None:
    case.run()
    assert watch.steps >= 5


def test_a_pass_that_reads_a_loss_after_each_step_is_found(watch: Watch) -> None:
    losses = torch.zeros(3, device="cuda").split(1)
    with pytest.raises(RuntimeError, match="called a synchronizing CUDA operation"):
        [loss.item() for loss in watch.over(losses)]
    assert watch.steps == 1


def waits(work: Callable[[], object]) -> int:
    """Return how often the work waits for the GPU."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("called a synchronizing CUDA operation" in str(each.message) for each in found)


@pytest.mark.parametrize("case", TRAINED, ids=str)
def test_an_epoch_waits_once(case: Case) -> None:
    folds = 1 if case.joint_folds else 2
    assert case.why
    assert waits(lambda: case.run(epochs=3)) - waits(lambda: case.run(epochs=2)) == folds


def test_passes_without_training_wait_once_for_their_result_or_not_at_all() -> None:
    machine = choose_machine("cuda", "bf16")
    network, judged, few = encoder(machine), TRAINED[2].build(), TRAINED[-1].build()
    model = nn.Sequential(network, nn.Linear(16, 10).to(machine.device))
    assert isinstance(judged, Downstream)
    assert isinstance(few, LowLabel)
    allowed: list[tuple[Callable[[], object], int, str]] = [
        (lambda: judged._predict(model), 1, "the test images' logits are copied to the CPU at once"),
        (lambda: few._predict(model), 1, "the test images' logits are copied to the CPU at once"),
        (lambda: features(network, judged.data.test, machine), 1, "scikit-learn works on the CPU"),
        (lambda: judged.features(network, judged.test_images), 0, "classifiers are trained on the GPU"),
    ]
    assert [waits(work) for work, _, _ in allowed] == [count for _, count, _ in allowed]
