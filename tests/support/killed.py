"""A small study that is killed as a real process in every way, resumed, and compared with an uninterrupted run."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from tests.support.tiny import write_images

STUDY = """
name = "killed"
scale = "reduced"
expected = "paper"
epochs = 3
folds = 2
evaluations = ["frozen", "cluster"]
[overrides]
batch_size = 8
downstream_max_epochs = 2
[[models]]
encoder = "cnn"
objective = "pse"
sigma = 3
[[models]]
encoder = "cnn"
objective = "deepcluster"
"""
SIGNALS = {"kill": signal.SIGKILL, "terminate": signal.SIGTERM, "interrupt": signal.SIGINT}
CALLS = ("write", "fsync", "replace")  # at which tests.support.faulty kills
# A signal to the only process; SIGKILL to the parent of two, to one of these, to the whole group; one within a write.
WAYS = (*SIGNALS, "parent", "worker", "group", *CALLS)
ROOT = Path(__file__).parents[2]
SAVE_SECONDS = 0.2  # so that a short epoch is saved within, too
ENDS_SECONDS = 300.0  # a session that takes longer hangs


@dataclass(frozen=True)
class Kill:
    """One session that was ended early: in which way, after how many seconds, with which status."""

    way: str
    seconds: float
    status: int


@dataclass
class Killed:
    """The study in a folder of its own, and the sessions of its runs."""

    folder: Path
    random: random.Random
    kills: list[Kill] = field(default_factory=list)
    unlike: list[str] = field(default_factory=list)  # what differed, or went wrong

    def prepare(self, study: str = STUDY, images: int = 60) -> None:
        self.folder.mkdir(exist_ok=True)
        write_images(self.folder / "images", unlabeled=images, train=40, test=20)
        (self.folder / "study.toml").write_text(study)

    def start(self, run: str, jobs: int = 1, **faults: object) -> subprocess.Popen[str]:
        """Start a session of a run as the leader of a process group."""
        asked = json.dumps({"save_seconds": SAVE_SECONDS} | faults)
        program = [sys.executable, "-m", "tests.support.faulty", asked, "run", "study.toml", "--data", "images"]
        options = ["--device", "cpu", "--out", run, "--jobs", str(jobs)]
        # One thread keeps the order of sums, also if another process uses a core.
        environment = os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [*program, *options],
            cwd=self.folder,
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    @cached_property
    def whole(self) -> tuple[float, dict[str, int]]:
        """Run without interruption in `whole`; return its seconds and its numbers of calls that write."""
        began = time.monotonic()
        self.finish("whole", counts="counts.json")
        return time.monotonic() - began, json.loads((self.folder / "counts.json").read_text())

    def finish(self, run: str, jobs: int = 1, **faults: object) -> str:
        """Let a session of the run end by itself; return what it says."""
        process = self.start(run, jobs, **faults)
        said = _last_words(process)
        if process.returncode:
            self.unlike.append(f"{run}: status {process.returncode}: {said[-500:]}")
        return said

    def kill(self, run: str, way: str) -> bool:
        """Kill a session of the run at a random instant in this way; False if it ended before."""
        seconds, counts = self.whole
        began, jobs = time.monotonic(), 2 if way in ("parent", "worker", "group") else 1
        if way in CALLS:
            process = self.start(run, call=way, at=self.random.randint(1, counts[way]))
        else:
            process = self.start(run, jobs)
            self._strike(process, way, self.random.uniform(0, seconds))
        said = _last_words(process)
        if process.returncode == 0:
            return False
        self.kills.append(Kill(way, time.monotonic() - began, process.returncode))
        expected = {"terminate": (130, -signal.SIGTERM), "interrupt": (130, -signal.SIGINT, 1), "worker": (3,)}
        if process.returncode not in expected.get(way, (-signal.SIGKILL,)):
            self.unlike.append(f"{run}: status {process.returncode} after {self.kills[-1]}: {said[-500:]}")
        return True

    def _strike(self, process: subprocess.Popen[str], way: str, seconds: float) -> None:
        """Wait, and then send the signal; a worker must have begun, so for one the seconds count from then on."""
        if way == "worker":
            while not workers(process.pid) and process.poll() is None:
                time.sleep(0.02)
        try:
            process.wait(seconds)
            return
        except subprocess.TimeoutExpired:
            pass
        if way == "group":
            os.killpg(process.pid, signal.SIGKILL)
        elif way == "worker":
            for worker in self.random.sample(workers(process.pid), 1) if workers(process.pid) else []:
                os.kill(worker, signal.SIGKILL)
        else:
            process.send_signal(SIGNALS.get(way, signal.SIGKILL))

    def compare(self, run: str) -> None:
        """Compare a finished run with the uninterrupted one: every number, prediction and weight."""
        self.unlike += [f"{run}: {name}" for name in differences(self.folder / "whole", self.folder / run)]

    def kill_every(self, run: str, seconds: float, max_kills: int) -> int:
        """Kill each session so many seconds after its start, until one ends by itself; return the number of kills."""
        for kills in range(max_kills):
            process = self.start(run)
            try:
                said = process.communicate(timeout=seconds)[1]
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                continue
            if process.returncode:
                self.unlike.append(f"{run}: status {process.returncode}: {said[-500:]}")
            return kills
        self.unlike.append(f"{run}: not ended after {max_kills} kills, {seconds:.1f} s after each start")
        return max_kills


def _last_words(process: subprocess.Popen[str]) -> str:
    """Return what the session says until each of its processes has ended; if interrupted here, end them."""
    try:
        return process.communicate(timeout=ENDS_SECONDS)[1]
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def workers(pid: int) -> list[int]:
    """Return the process ids of the worker processes of a run (Linux)."""
    return [child for child in children(pid) if b"spawn_main" in _read(Path(f"/proc/{child}/cmdline"))]


def children(pid: int) -> list[int]:
    """Return the ids of a process's child processes (Linux)."""
    tasks = Path(f"/proc/{pid}/task")
    found = (_read(task / "children").split() for task in (tasks.iterdir() if tasks.exists() else ()))
    return [int(child) for each in found for child in each]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has ended
        return b""


def differences(whole: Path, run: Path) -> list[str]:
    """Return the names of the result files that differ: all tables, arrays and weights, bit for bit but for seconds."""
    names = {path.relative_to(folder) for folder in (whole, run) for path in folder.rglob("*") if _has_results(path)}
    left = [path.name for path in run.rglob("*") if path.suffix == ".part" or path.name.startswith("state.")]
    return [str(name) for name in sorted(names) if not _equal(whole / name, run / name)] + left


def _has_results(path: Path) -> bool:
    return path.suffix in (".csv", ".npz", ".safetensors")


def _equal(one: Path, other: Path) -> bool:
    if not (one.exists() and other.exists()):
        return False
    if one.suffix == ".npz":
        arrays, others = (
            {name: part[name] for name in part if name != "seconds"} for part in map(np.load, (one, other))
        )
        same = arrays.keys() == others.keys()
        return same and all(value.tobytes() == others[name].tobytes() for name, value in arrays.items())
    if one.name == "curves.csv":
        table, other_table = (pd.read_csv(path).drop(columns="seconds") for path in (one, other))
        return table.equals(other_table)
    return one.read_bytes() == other.read_bytes()
