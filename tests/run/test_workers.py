"""Parallel processes: their results, their failures, and that none outlives its parent."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from pse_repro.errors import NotFitError, UsageError
from pse_repro.run import workers
from pse_repro.run.workers import completed, processes_that_fit, worker_processes


def _double(number: int) -> int:
    return 2 * number


def _threads(_: int) -> tuple[int, int]:
    return os.getpid(), torch.get_num_threads()


def _refuse(number: int) -> int:
    raise UsageError(f"no {number}")


def _die(_: int) -> int:
    os._exit(9)


def _work_for_long(begun: Path) -> None:
    begun.touch()
    time.sleep(600)


def test_every_task_is_done_whatever_the_order() -> None:
    with worker_processes(2) as executor:
        assert sorted(completed(executor, _double, [1, 2, 3])) == [2, 4, 6]
        here = torch.get_num_threads()
        ((pid, threads),) = completed(executor, _threads, [0])
    assert pid != os.getpid()
    assert threads == max(1, here // 2)  # its share of the cores
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("on_gpus", [False, True])
def test_only_processes_for_gpus_use_cuda(on_gpus: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    monkeypatch.setattr("pse_repro.run.workers._end_with_parent", lambda: None)
    started = multiprocessing.get_context("spawn").Value("i", 0)
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        for _ in range(3):
            workers._begin(started, torch.get_num_threads(), on_gpus)
    finally:
        signal.signal(signal.SIGINT, interrupt)
    assert chosen == ([0, 1, 0] if on_gpus else [])


@pytest.mark.parametrize(
    ("free", "requested", "expected"),
    [
        ([80], 4, 4),
        ([17], 4, 2),  # 8 each
        ([7], 4, 1),  # then images are copied batch by batch
        ([80, 17], 8, 5),  # in turn: three here, two there
        ([17, 80], 8, 4),
        ([80], 1, 1),
    ],
)
def test_no_more_processes_than_the_gpus_have_memory_for(
    free: list[int], requested: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: len(free))
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (free[device.index] - 2, 96))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda _: 3)  # of which 2 are free
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda _: 1)
    assert processes_that_fit(requested, 8) == expected


def test_a_task_s_error_comes_through_as_it_is() -> None:
    with worker_processes(1) as executor, pytest.raises(UsageError, match=r"^no 3$"):
        list(completed(executor, _refuse, [3]))


def test_a_process_that_dies_is_one_clear_line() -> None:
    expected = r"a process that trained a model died.*smaller --jobs"
    with worker_processes(1) as executor, pytest.raises(NotFitError, match=expected):
        list(completed(executor, _die, [0]))


def test_an_interrupt_ends_the_processes_in_the_middle_of_their_work(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        _interrupted(begun)
    while multiprocessing.active_children() and time.monotonic() - started < 60:
        time.sleep(0.05)
    assert begun.exists()
    assert multiprocessing.active_children() == []


def _interrupted(begun: Path) -> None:
    with worker_processes(1) as executor:
        executor.submit(_work_for_long, begun)
        deadline = time.monotonic() + 60
        while not begun.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        raise KeyboardInterrupt
