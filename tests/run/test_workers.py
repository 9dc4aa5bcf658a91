"""Parallel processes: their results, their failures, and that none outlives its parent."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest
import torch

from pse_repro.errors import NotFitError, UsageError
from pse_repro.run.workers import completed, worker_processes


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
