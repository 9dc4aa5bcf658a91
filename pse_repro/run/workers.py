"""Processes that run tasks in parallel, each with a share of the cores; the GPUs are assigned in turn."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from typing import TypeVar

import torch

from pse_repro.errors import NotFitError
from pse_repro.machine.device import free_gpu_bytes

Work = TypeVar("Work")
Result = TypeVar("Result")


@contextmanager
def worker_processes(count: int, on_gpus: bool = False) -> Iterator[Executor]:
    """Yield an executor of `count` processes, which always end with this one; on an error or interrupt, at once.

    Only with `on_gpus` do they use CUDA, which takes memory of a GPU.
    """
    context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
    threads = max(1, torch.get_num_threads() // count)
    started: Synchronized[int] = context.Value("i", 0)
    pool = ProcessPoolExecutor(count, context, initializer=_begin, initargs=(started, threads, on_gpus))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    pool.shutdown()


def processes_that_fit(count: int, bytes_each: int) -> int:
    """Return how many of `count` processes have enough free memory on their GPUs; at least one."""
    gpus = [torch.device("cuda", number) for number in range(torch.cuda.device_count())]
    room = [free_gpu_bytes(gpu) // bytes_each for gpu in gpus]
    while count > 1 and any(len(range(number, count, len(gpus))) > free for number, free in enumerate(room)):
        count -= 1
    return count


def completed(executor: Executor, function: Callable[[Work], Result], tasks: list[Work]) -> Iterator[Result]:
    """Yield results as tasks complete; NotFitError if a process died."""
    try:
        for future in as_completed([executor.submit(function, task) for task in tasks]):
            yield future.result()
    except BrokenProcessPool as error:
        raise NotFitError(
            "a process that trained a model died, most often for lack of memory; what was done is kept: "
            "run the same command with a smaller --jobs"
        ) from error


def _begin(started: "Synchronized[int]", threads: int, on_gpus: bool) -> None:
    """Initialise a new process, before its first task."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the parent ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    with started.get_lock():
        number = started.value
        started.value += 1
    if on_gpus:
        torch.cuda.set_device(number % torch.cuda.device_count())


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
