"""The command line with faults: python -m tests.support.faulty '{"call": "fsync", "at": 7}' run STUDY.toml ...

Kills its process at the given call, counted from 1, of one that writes: "write" (half of a file is written), "fsync" or
"replace". Without "call", nothing is killed. "save_seconds" replaces the time between two saves within an epoch, and
"counts" names a file for the numbers of calls. No report is written. Worker processes import this module, too: the
faults are in all of them.
"""

import atexit
import io
import json
import os
import signal
import sys
from collections import Counter
from multiprocessing import spawn
from pathlib import Path
from typing import Any

from pse_repro.commands import study
from pse_repro.run import pretrain

ARGUMENTS = list(sys.argv)
ASKED: dict[str, Any] = json.loads(ARGUMENTS[1])
CALLS: Counter[str] = Counter()


def is_fatal(kind: str) -> bool:
    """Count a call; return whether it is the one to be killed at."""
    CALLS[kind] += 1
    return kind == ASKED.get("call") and CALLS[kind] == ASKED["at"]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class HalfWritten(io.BufferedWriter):
    """A file that is written only by half at the fatal write."""

    def write(self, content: Any) -> int:
        if is_fatal("write"):
            super().write(bytes(content)[: len(content) // 2])
            self.flush()
            die()
        return super().write(content)


def _arm() -> None:
    whole_open, fsync, replace = Path.open, os.fsync, os.replace

    def opened(path: Path, mode: str = "r", *others: Any, **named: Any) -> Any:
        return HalfWritten(io.FileIO(path, "w")) if mode == "wb" else whole_open(path, mode, *others, **named)

    def synchronised(file: int) -> None:
        if is_fatal("fsync"):
            die()
        fsync(file)

    def replaced(*paths: Any, **named: Any) -> None:
        if is_fatal("replace"):
            die()
        replace(*paths, **named)

    Path.open, os.fsync, os.replace = opened, synchronised, replaced  # type: ignore[assignment,method-assign]
    study.write_report = lambda *_: "not written"  # type: ignore[assignment]  # it takes half of the time of a small run
    pretrain.SAVE_SECONDS = ASKED.get("save_seconds", pretrain.SAVE_SECONDS)
    prepared = spawn.get_preparation_data
    spawn.get_preparation_data = lambda name: (
        prepared(name) | {"sys_argv": ARGUMENTS}
    )  # so that workers know the faults


_arm()
if __name__ == "__main__":
    from pse_repro.cli import main

    if "counts" in ASKED:
        atexit.register(lambda: Path(ASKED["counts"]).write_text(json.dumps(CALLS)))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell script ignore it
    del sys.argv[1]
    main()
