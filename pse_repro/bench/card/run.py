"""A card: its parts in order of worth, each a process with its own limit; results are written after each.

A part that fails, or is killed at its limit with all its children, never stops the next one.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal

from pse_repro.bench.card.result import Card, Part, State, read_notes
from pse_repro.bench.card.task import OMITTED_STATUS, Task, own_environment
from pse_repro.data.choose import find_data
from pse_repro.errors import UsageError
from pse_repro.machine.device import choose_machine
from pse_repro.progress.stages import Progress

RESERVE_SECONDS = 2.0  # before the end of all minutes, for the last results
MIN_SECONDS = 5.0  # a part with less is not begun: starting Python and PyTorch takes as long
LOG = "log.txt"
_STATES: dict[int, State] = {0: "ok", OMITTED_STATUS: "omitted"}


@dataclass(frozen=True)
class Planned:
    """A part: the function that does it, "module:function", and the share of all minutes that it may take."""

    work: str
    share: float


PARTS = {
    "machine": Planned("pse_repro.bench.card.machine:measure_machine", 0.08),
    "smoke": Planned("pse_repro.bench.card.smoke:run_smoke", 0.2),
    "tests": Planned("pse_repro.bench.card.gpu_tests:run_tests", 0.22),
    "speed": Planned("pse_repro.bench.card.speed:measure_speed", 0.22),
    "study": Planned("pse_repro.bench.card.pair:run_pair", 1.0),  # all that the others leave
}


@dataclass(frozen=True)
class Options:
    """Options of a card; `device` "auto" is "cuda"."""

    out: Path
    data: Path | None
    device: str
    minutes: float
    quick: bool = False
    quiet: bool = False


def card(options: Options) -> Card:
    """Run all parts; results are in `options.out`, after each part.

    Raises:
        NotFitError: there is no GPU and the device is not "cpu", or there are no images.
        UsageError: the folder holds something.
    """
    began = time.monotonic()
    device: Literal["cpu", "cuda"] = "cpu" if options.device == "cpu" else "cuda"
    choose_machine(device, "fp32")
    _refuse_contents(options.out)
    with Progress(options.quiet, lines=True) as progress:
        images = find_data(options.data, True, progress)
        place = None if images.name == "embedded-sample" or not images.place else images.place.absolute()
        options.out.mkdir(parents=True, exist_ok=True)
        card = Card(time.strftime("%Y-%m-%d"), device, options.quick, options.minutes, images.name)
        for name, planned in PARTS.items():
            left = 60 * options.minutes - RESERVE_SECONDS - (time.monotonic() - began)
            limit = min(60 * options.minutes * planned.share, left)
            task = Task(name, planned.work, options.out.absolute(), place, device, options.quick, limit)
            progress.say(f"{name}: at most {max(limit, 0):.0f} s")
            part = _run(task, options.quiet) if limit >= MIN_SECONDS else _not_begun(task)
            card = card.with_part(part)
            card.write(options.out)
            progress.say(str(part))
    return card


def _refuse_contents(out: Path) -> None:
    if os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"{out} is not an empty folder; give another --out")


def _not_begun(task: Task) -> Part:
    return Part(task.part, "not begun", 0.0, max(task.max_seconds, 0.0), "no time was left", ())


def _run(task: Task, quiet: bool) -> Part:
    """Run a part in a process of its own; kill it and its children at its limit."""
    given = asdict(task) | {"out": str(task.out), "data": task.data and str(task.data)}
    del given["began"]  # its clock begins with its process
    command = [sys.executable, "-m", "pse_repro.bench.card.part", json.dumps(given)]
    began = time.monotonic()
    with _echo(task.out / LOG, quiet) as (log, echo):
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=own_environment(task), start_new_session=True
        )
        try:
            while process.poll() is None and time.monotonic() - began < task.max_seconds:
                time.sleep(0.1)
                echo()
            status = process.poll()
        finally:
            _kill(process)  # also children that a part has left behind
            echo()
    figures, message = read_notes(task.out, task.part)
    state = "stopped" if status is None else _STATES.get(status, "failed")
    if state == "stopped":
        message = f"killed at its limit of {task.max_seconds:.0f} s"
    elif state == "failed" and not message:
        message = f"its process ended with status {status}; see {LOG}"
    return Part(task.part, state, time.monotonic() - began, task.max_seconds, message, figures)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def _echo(path: Path, quiet: bool) -> Iterator[tuple[IO[bytes], Callable[[], None]]]:
    """Yield a log to append to, and a function that copies what is new in it to standard error."""
    with path.open("ab") as log, path.open("rb") as reader:
        reader.seek(0, os.SEEK_END)

        def echo() -> None:
            text = reader.read().decode(errors="replace")
            if text and not quiet:
                print(text, end="", file=sys.stderr, flush=True)

        yield log, echo
