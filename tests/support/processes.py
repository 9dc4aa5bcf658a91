"""Status files of other processes, alive and dead."""

import json
import platform
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from pse_repro.progress.status_file import ProcessStatus


def written_by(folder: Path, pid: int, status: ProcessStatus, machine: str | None = None) -> Path:
    """Write the status file of a process and return its path."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{pid}.json"
    path.write_text(json.dumps({"pid": pid, "machine": machine or platform.node(), "now": asdict(status)}))
    return path


def dead_process() -> int:
    """Return the id of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid
