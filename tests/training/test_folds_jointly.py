"""Classifiers trained jointly, against single plain modules with PyTorch's Adam, plateau schedule and clipping."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pse_repro.config.protocol import Protocol
from pse_repro.errors import CellError
from pse_repro.machine.device import Machine
from pse_repro.models import build_classifier
from pse_repro.seeding import generator, seeded
from pse_repro.training.classifier import FitResult, Task, fit
from pse_repro.training.folds_jointly import NoEncoder, Stream, Trained, fit_together
from pse_repro.training.heads import Adam
from tests.support.tiny import CPU, protocol

LATENT, BATCH = 16, 8
KINDS = ["two-hidden", "one-hidden", "one-hidden-relu"]


class Points:
    """Points of ten classes; training points are shuffled and perturbed by noise from the global generator."""

    def __init__(self, name: str, train: int, validation: int, noise: float = 1.0) -> None:
        self.name, self.count, self.noise = name, train, noise
        self.labels = torch.randint(10, (train + validation,), generator=generator(name, "labels"))
        centres = torch.randn(10, LATENT, generator=generator("centres"))
        drawn = torch.randn(train + validation, LATENT, generator=generator(name, "points"))
        self.points = centres[self.labels] + noise * drawn

    def train(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(self.count, generator=generator(self.name, "shuffle", epoch))
        for some in order.split(BATCH):
            yield self.points[some] + 0.1 * torch.randn(len(some), LATENT), self.labels[some]

    def validation(self) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(self.points[self.count :].split(BATCH), self.labels[self.count :].split(BATCH), strict=True)


def nothing(epoch: int, loss: float) -> None:
    pass


def tasks(
    kind: str,
    sizes: Sequence[tuple[int, int]],
    noises: Sequence[float] = (1.0,) * 5,
    after: Callable[[int, float], None] = nothing,
) -> list[Task]:
    made = []
    for number, ((train, validation), noise) in enumerate(zip(sizes, noises, strict=False)):
        name = f"fold {number}"
        with seeded(name):
            classifier = build_classifier(kind, LATENT)
        made.append(Task(name, classifier, Points(name, train, validation, noise), after))
    return made


def alone(task: Task, under: Protocol, machine: Machine = CPU) -> FitResult:
    return fit(task.name, task.classifier, task.data, under, machine, task.after_epoch)


def together(given: Sequence[Task], under: Protocol, machine: Machine = CPU) -> list[Trained]:
    trained = list(fit_together(given, NoEncoder(len(given)), under, machine))
    return sorted(trained, key=lambda one: one.position)


def check_same(
    found: FitResult, expected: FitResult, classifier: nn.Module, twin: nn.Module, rel: float = 1e-5
) -> None:
    assert found.best_epoch == expected.best_epoch
    assert found.train_losses == pytest.approx(expected.train_losses, rel=rel)
    assert found.validation_losses == pytest.approx(expected.validation_losses, rel=rel)
    for parameter, other in zip(classifier.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(parameter, other, rtol=rel, atol=rel)


SIZES = [(33, 17), (32, 16), (40, 11), (25, 9)]  # ragged last batches, and more batches in some folds than in others
NOISES = [0.3, 1.0, 2.0, 0.5]
EAGER = {"downstream_max_epochs": 25, "learning_rate": 0.02, "stopping_patience": 4, "plateau_patience": 1}


def eager(clipping: bool = True, **others: object) -> Protocol:
    """Return a protocol with fast learning, short plateau and early stopping."""
    return protocol(switches={"gradient_clipping": clipping}, **(EAGER | others))


@pytest.mark.parametrize(("clipping", "precision"), [(True, "fp32"), (False, "bf16")])
@pytest.mark.parametrize("kind", KINDS)
def test_folds_together_equal_one_at_a_time(kind: str, clipping: bool, precision: str) -> None:
    machine, under = replace(CPU, precision=precision), eager(clipping)
    ours, twins = tasks(kind, SIZES, NOISES), tasks(kind, SIZES, NOISES)
    found = together(ours, under, machine)
    assert len({len(one.fitted.train_losses) for one in found}) > 1  # they do not stop together
    for one, task, twin in zip(found, ours, twins, strict=True):
        expected = alone(twin, under, machine)
        rel = 1e-4 if precision == "fp32" else 1e-2  # a last bit of bf16 is 4e-3
        check_same(one.fitted, expected, task.classifier, twin.classifier, rel)


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=5), st.sampled_from(KINDS))
@settings(max_examples=20)
def test_folds_of_any_sizes_together_equal_one_at_a_time(sizes: list[tuple[int, int]], kind: str) -> None:
    under = eager(downstream_max_epochs=4, learning_rate=1e-3)
    ours, twins = tasks(kind, sizes), tasks(kind, sizes)
    for one, task, twin in zip(together(ours, under), ours, twins, strict=True):
        check_same(one.fitted, alone(twin, under), task.classifier, twin.classifier, 1e-4)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_folds_of_one_size_are_the_same_to_the_last_bit_whoever_is_with_them(precision: str) -> None:
    # The last batches have 4 images. On processors with bf16, PyTorch uses another algorithm for products of fewer than
    # 4,096 multiplications, so with 3 images or fewer one fold's product differs from that of four folds.
    machine, sizes = replace(CPU, precision=precision), [(36, 20)] * 4
    all_of_them = tasks("two-hidden", sizes, NOISES)
    found = together(all_of_them, eager(), machine)
    for one, task, single in zip(found, all_of_them, tasks("two-hidden", sizes, NOISES), strict=True):
        (expected,) = together([single], eager(), machine)
        assert one.fitted == expected.fitted
        for parameter, other in zip(task.classifier.parameters(), single.classifier.parameters(), strict=True):
            assert torch.equal(parameter, other)


def test_the_plateau_lowers_the_rate_of_its_fold_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[list[float]] = []
    step = Adam.step

    def spy(self: Adam, weights_FP: Tensor, gradient_FP: Tensor, rates_F1: Tensor, moves_F1: Tensor) -> None:
        rates.append(rates_F1.flatten().tolist())
        step(self, weights_FP, gradient_FP, rates_F1, moves_F1)

    monkeypatch.setattr(Adam, "step", spy)
    together(tasks("one-hidden", SIZES[:2], NOISES), eager(stopping_patience=100))
    first, second = zip(*rates, strict=True)
    assert first[0] == second[0] == 0.02
    assert any({one, other} == {0.02, 0.02 * 0.9} for one, other in zip(first, second, strict=True))


def test_a_fold_comes_as_soon_as_it_is_done_and_the_others_go_on() -> None:
    told: list[int] = []
    given = tasks("one-hidden", SIZES, NOISES, lambda epoch, _: told.append(epoch))
    for trained in fit_together(given, NoEncoder(len(given)), eager(), CPU):
        assert max(told) == len(trained.fitted.train_losses) - 1
    assert len(told) > len(set(told))


def test_a_loss_that_is_not_finite_stops_the_cell_and_names_the_fold() -> None:
    given = tasks("one-hidden", SIZES)
    given[2].data.points[3] = torch.nan  # type: ignore[attr-defined]
    with pytest.raises(CellError, match=r"fold 2: loss is nan \(validation nan\) in epoch 0; this cell stops"):
        together(given, eager())


def test_streams_draw_as_if_alone_and_leave_the_global_generator_alone() -> None:
    with seeded("a"):
        expected_a = torch.rand(4)
    with seeded("b"):
        expected_b = torch.rand(4)
    before = torch.get_rng_state()
    a, b = Stream("a"), Stream("b")
    drawn: dict[Stream, list[Tensor]] = {a: [], b: []}
    for stream in (a, b, b, a):
        with stream.drawing():
            drawn[stream].append(torch.rand(2))
    assert torch.equal(torch.cat(drawn[a]), expected_a)
    assert torch.equal(torch.cat(drawn[b]), expected_b)
    assert torch.equal(torch.get_rng_state(), before)
