"""Measurements of a form: rounds, peak memory, operations, and ratios to other forms."""

import time
from dataclasses import dataclass, field
from functools import partial

import pytest
import torch
from torch import Tensor

from pse_repro.bench.arithmetic import autoencoder_flops, classifier_flops, encoder_flops, matrix_rates
from pse_repro.bench.groups.loss import GPU_BYTES, Images, pairs
from pse_repro.bench.measure import (
    MAX_CALLS,
    STRETCH_SECONDS,
    call_count,
    calls_between_waits,
    measured,
    ratios,
    seconds_per_call,
    time_group,
)
from pse_repro.bench.memory import peak_memory
from pse_repro.bench.result import Spread
from pse_repro.bench.rows import Call, Form, Group, Quotient, Row, Setting
from pse_repro.machine.device import Machine
from tests.support.tiny import CPU

MEBIBYTE = 2**20


def sleeping(seconds: float) -> Call:
    return partial(time.sleep, seconds)


def row(name: str, count: int, flops: int | None = None, **seconds: float) -> Row:
    """Return a row whose forms sleep for the given seconds."""
    forms = tuple(Form(form, "fp32", partial(sleeping, length)) for form, length in seconds.items())
    return Row(name, "images", count, forms, flops)


def test_rounds_are_what_they_took_and_the_warm_up_is_not_among_them() -> None:
    group = Group((row("nap", 4, 8000, ours=0.002, straightforward=0.008),), (Quotient("nap / nap", "nap", "nap"),))
    done: list[int] = []
    taken = time_group(group, CPU, 3, done.append)
    assert sum(done) == call_count(group, 3) == 2 * (1 + 1 + 3)
    ours, straightforward = measured("naps", taken, {"fp32": 1e9})
    assert ours.speedup
    assert straightforward.speedup == Spread(1, 1, 1)
    assert len(ours.rounds) == 3
    assert min(ours.rounds) >= 0.002
    assert ours.warm_up_seconds is not None
    assert ours.per_second == pytest.approx(4 / ours.seconds.median)
    assert ours.matrix_rate_share == pytest.approx(8000 / ours.seconds.median / 1e9)
    by_round = [b / a for a, b in zip(ours.rounds, straightforward.rounds, strict=True)]
    assert ours.speedup == Spread.of(by_round)
    (same,) = ratios("naps", group, taken)
    assert same.value == Spread(1, 1, 1)


def test_ratios_are_of_time_for_one_unit() -> None:
    group = Group((row("part", 1, ours=0.004), row("whole", 2, ours=0.004)), (Quotient("share", "part", "whole"),))
    taken = time_group(group, CPU, 1, lambda _: None)
    (share,) = ratios("naps", group, taken)
    part, whole = taken
    assert share.value.median == pytest.approx(part.seconds[0] / (whole.seconds[0] / 2))


def test_a_group_of_once_is_timed_once_and_nothing_else() -> None:
    group = Group((row("nap", 1, ours=0.001),), once=True)
    (taken,) = time_group(group, CPU, 5, lambda _: None)
    (nap,) = measured("naps", [taken], {})
    assert (len(nap.rounds), nap.warm_up_seconds, nap.peak_memory_bytes, nap.speedup) == (1, None, None, None)
    assert call_count(group, 5) == 1


@dataclass(frozen=True)
class FakeGpu(Machine):
    """A machine that calls itself a GPU, with its own clock: a call queues its seconds, which a wait lets pass."""

    queue: list[float] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)  # the number of calls that each wait found
    passed: list[float] = field(default_factory=list)

    def call(self, seconds: float) -> Call:
        return lambda: self.queue.append(seconds)

    def synchronize(self) -> None:
        self.passed.extend(self.queue)
        self.waits.append(len(self.queue))
        self.queue.clear()

    def perf_counter(self) -> float:
        return sum(self.passed)


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    gpu = FakeGpu(torch.device("cuda"), "fp32")
    monkeypatch.setattr("pse_repro.bench.measure.time", gpu)
    monkeypatch.setattr("pse_repro.bench.measure.peak_memory", lambda work, device: work())
    return gpu


def test_a_gpu_gets_several_calls_between_two_waits(fake_gpu: FakeGpu) -> None:
    assert seconds_per_call(fake_gpu.call(0.001), fake_gpu, 20) == pytest.approx(0.001)
    assert fake_gpu.waits == [0, 20]


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1e-5, MAX_CALLS), (STRETCH_SECONDS / 4, 4), (2 * STRETCH_SECONDS, 1)]
)
def test_the_calls_between_two_waits_fill_a_stretch(fake_gpu: FakeGpu, seconds: float, expected: int) -> None:
    assert calls_between_waits(fake_gpu.call(seconds), fake_gpu) == expected


def test_on_a_cpu_a_call_is_timed_alone() -> None:
    calls: list[int] = []
    assert calls_between_waits(lambda: calls.append(1), CPU) == 1
    assert not calls


def test_rounds_on_a_gpu_are_of_one_call_each(fake_gpu: FakeGpu) -> None:
    form = Form("ours", "fp32", lambda: fake_gpu.call(STRETCH_SECONDS / 4))
    done: list[int] = []
    (taken,) = time_group(Group((Row("nap", "images", 1, (form,)),)), fake_gpu, 2, done.append)
    assert sum(done) == call_count(Group((taken.row,)), 2)
    assert fake_gpu.waits[-1] == 4
    assert taken.seconds == pytest.approx([STRETCH_SECONDS / 4] * 2)


def test_a_gpu_s_loss_rows_take_more_images_in_turn_than_its_cache_holds(setting: Setting) -> None:
    size = 2 * 128 * 3 * 96 * 96 * 4
    assert pairs(128, "cuda") * size >= GPU_BYTES > 2 * 50e6
    assert pairs(128, "cpu") == pairs(10_000, "cuda") == 1
    images = Images(setting)
    assert images.shared == []
    turns = images.in_turn()
    assert next(turns) is next(turns)


def test_a_spread_is_median_and_quartiles() -> None:
    assert Spread.of([5.0, 1.0, 2.0, 3.0, 4.0]) == Spread(3.0, 2.0, 4.0)
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0)


def test_peak_memory_counts_what_lives_at_once_and_no_views() -> None:
    before = torch.zeros(MEBIBYTE)

    def work() -> torch.Tensor:
        first = torch.zeros(MEBIBYTE)  # 4 MiB
        second = first + before  # 8
        del first  # 4
        return second[:10] + second.view(2, -1).sum()

    assert peak_memory(work, CPU.device) == pytest.approx(8 * MEBIBYTE, rel=1e-3)


def test_peak_memory_leaves_out_what_was_there_before_and_its_views() -> None:
    before = torch.zeros(MEBIBYTE)

    def work() -> Tensor:
        return before[10:].view(-1)[:1000].clone()

    assert peak_memory(work, CPU.device) == 4000


def test_peak_memory_counts_the_backward_pass() -> None:
    weight = torch.zeros(1, requires_grad=True)

    def work() -> None:
        kept = torch.ones(MEBIBYTE) * weight  # 4 MiB, and 4 of the product
        kept.square().sum().backward()  # square, and the gradient of each

    assert 12 * MEBIBYTE <= peak_memory(work, CPU.device) <= 24 * MEBIBYTE


def test_operations_are_two_for_each_multiplication() -> None:
    by_hand = 2 * (256 * 128 + 128 * 128 + 128 * 10)
    assert classifier_flops("two-hidden", "cnn")["forward"] == by_hand
    # backward: two products of the same size a layer, but none for the gradient of the input
    assert classifier_flops("two-hidden", "cnn")["train"] == 3 * by_hand - 2 * 256 * 128
    convolutions = ((48, 3, 32), (24, 32, 64), (12, 64, 128), (6, 128, 256), (3, 256, 256))
    in_encoder = sum(2 * side**2 * 9 * into * out for side, into, out in convolutions) + 2 * 256 * 9 * 256
    assert encoder_flops("cnn")["forward"] == in_encoder
    assert autoencoder_flops("cnn")["forward"] > in_encoder
    assert autoencoder_flops("resnet")["train"] > 2 * autoencoder_flops("resnet")["forward"]


def test_the_matrix_rate_is_a_rate() -> None:
    before = torch.get_float32_matmul_precision()
    rates = matrix_rates((CPU,), 64)
    assert list(rates) == ["fp32"]
    assert 1e6 < rates["fp32"] < 1e15
    assert torch.get_float32_matmul_precision() == before
