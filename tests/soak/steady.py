"""Repeat a small study in one process, with its live view, while another one watches a run: nox -s soak.

After each round the process is measured: resident memory, open files, threads and child processes. Prints a line of
facts; the status is 1 if memory grew, anything was left open, results differed, or the watching process grew or ended.
Linux only: it reads /proc. Nothing is written outside a temporary folder, except the file that --out names.
"""

import argparse
import contextlib
import gc
import io
import json
import os
import pty
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from pse_repro.cli.app import app
from pse_repro.progress.stages import Progress
from pse_repro.study.address import RunFiles
from pse_repro.study.prepare import locked
from tests.support.killed import ROOT, STUDY, children
from tests.support.tiny import write_images

WARM_UP = 0.3  # of the rounds: caches of imports, fonts and allocators fill
MAX_GROWTH = 0.05  # of the resident memory, from the first to the last third after the warm-up
MIN_ROUNDS = 6
VIEW = (120, 40)  # columns, lines


@dataclass(frozen=True)
class Measured:
    """A process after a round: resident memory in bytes, and what it has open."""

    memory: int
    files: int
    threads: int
    children: int

    @classmethod
    def of(cls, pid: int) -> "Measured":
        proc = Path(f"/proc/{pid}")
        memory = int((proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return cls(memory, len(list((proc / "fd").iterdir())), len(list((proc / "task").iterdir())), len(children(pid)))


class Terminal:
    """A terminal that nobody looks at: its output is counted and thrown away."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()
        self.characters = 0
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while found := os.read(self._master, 65536):
                self.characters += len(found)

    @contextlib.contextmanager
    def as_standard_error(self) -> Iterator[None]:
        """Let the process print its messages and live view here."""
        size = {"COLUMNS": str(VIEW[0]), "LINES": str(VIEW[1]), "TERM": "xterm-256color"}
        os.environ |= size
        with os.fdopen(os.dup(self.slave), "w") as stream, contextlib.redirect_stderr(stream):
            yield


def command_line(*words: str) -> None:
    """Run a command of pse-repro in this process; its text is thrown away, and an error is raised."""
    with contextlib.redirect_stdout(io.StringIO()):
        status = typer.main.get_command(app).main(list(words), standalone_mode=False)
    if status:
        raise SystemExit(f"{' '.join(words)} ended with status {status}")


def a_round(folder: Path) -> bytes:
    """Run the study in a new folder, compare and show it; return its results."""
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    command_line(
        "run", str(folder / "study.toml"), "--data", str(folder / "images"), "--device", "cpu", "--out", str(run)
    )
    for command in ("compare", "report", "status"):
        command_line(command, str(run))
    return (run / "results.csv").read_bytes()


def watching(run: Path, terminal: Terminal) -> subprocess.Popen[bytes]:
    """Start `status --watch` on a run, refreshed as often as the live view."""
    often = "from pse_repro.commands import status; status.REFRESH_SECONDS = 0.5"
    # Background jobs of a shell script ignore SIGINT, and child processes inherit that.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{often}; {heed}; from pse_repro.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", program, "status", str(run), "--watch"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        stdout=terminal.slave,
        stderr=terminal.slave,
    )


def soak(folder: Path, minutes: float) -> dict[str, Any]:
    """Repeat rounds for so many minutes; return the facts."""
    write_images(folder / "images", unlabeled=60, train=40, test=20)
    (folder / "study.toml").write_text(STUDY)
    view, watched = Terminal(), Terminal()
    with view.as_standard_error():
        results = a_round(folder)
    shutil.move(folder / "run", folder / "watched")
    # The watched run is in progress for as long as this process holds its lock and reports a stage of it.
    files, progress = RunFiles(folder / "watched"), Progress(quiet=True)
    own, other, unlike = [], [], 0
    with (
        locked(folder / "watched"),
        progress.study(files.statuses),
        progress.cell("a cell"),
        progress.stage("soak", total=10**6, unit="rounds") as stage,
    ):
        watcher = watching(folder / "watched", watched)
        deadline = time.monotonic() + 60 * minutes
        while (time.monotonic() < deadline or len(own) < MIN_ROUNDS) and watcher.poll() is None:
            with view.as_standard_error():
                unlike += a_round(folder) != results
            stage.advance(1)
            gc.collect()  # memory maps of images in reference cycles are closed at any time
            own.append(Measured.of(os.getpid()))
            other.append(Measured.of(watcher.pid))
        watcher.send_signal(signal.SIGINT)
        status = watcher.wait(30)
    return {
        "rounds": len(own),
        "unlike": unlike,
        "process": judged(own),
        "watcher": judged(other),
        "watcher_status": status,
        "view_characters": view.characters,
        "watcher_characters": watched.characters,
        "each": [{"process": asdict(one), "watcher": asdict(two)} for one, two in zip(own, other, strict=True)],
    }


def judged(rounds: list[Measured]) -> dict[str, Any]:
    """Compare the first third of the rounds after the warm-up with the last."""
    warm = rounds[int(WARM_UP * len(rounds)) :]
    third = max(1, len(warm) // 3)
    before, after = (statistics.median(each.memory for each in part) for part in (warm[:third], warm[-third:]))
    lost = {name: [getattr(each, name) for each in (warm[0], warm[-1])] for name in ("files", "threads", "children")}
    return {"megabytes": [round(before / 1e6, 1), round(after / 1e6, 1)], "growth": after / before - 1} | lost


def faults(found: dict[str, Any]) -> list[str]:
    """Say what was not as it must be."""
    said = [f"{found['unlike']} rounds with other results"] if found["unlike"] else []
    if found["watcher_status"]:
        said.append(f"status --watch ended with status {found['watcher_status']}")
    for who in ("process", "watcher"):
        of = found[who]
        said += [f"{who}: memory grew by {of['growth']:.0%}"] if of["growth"] > MAX_GROWTH else []
        said += [f"{who}: {of[name]} {name}" for name in ("files", "threads", "children") if of[name][1] > of[name][0]]
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--out", type=Path, help="JSON file for the facts")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = soak(Path(folder), given.minutes)
    if given.out:
        given.out.write_text(json.dumps({"minutes": given.minutes} | found, indent=1) + "\n")
    for who in ("process", "watcher"):
        of = found[who]
        memory, files, threads = (" to ".join(map(str, of[name])) for name in ("megabytes", "files", "threads"))
        print(f"{who}: {memory} MB, {files} files, {threads} threads, {of['children'][1]} children at the end")
    print(f"{found['rounds']} rounds in {given.minutes:g} minutes, {found['unlike']} with other results")
    wrong = faults(found)
    print("\n".join(wrong), file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
