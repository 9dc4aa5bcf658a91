"""The status command, once or until the run ends."""

import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.live import Live

from pse_repro.errors import UsageError
from pse_repro.study.prepare import newest_run
from pse_repro.study.status import read_status
from pse_repro.study.status_text import Status, render_status, status_view

REFRESH_SECONDS = 5.0  # reading a run of 64 cells takes 0.1 s of CPU time


def status(run_directory: Path | None, format: str) -> str:
    """Render a run's status as text."""
    return render_status(read_status(run_directory or newest_run()), format)


def watch(run_directory: Path | None, format: str) -> None:
    """Show a run's status and refresh it until the run ends; Ctrl-C ends only the watching."""
    if format != "table":
        raise UsageError(f"--watch is for people and --format {format} for programs; leave one of them out")
    directory = run_directory or newest_run()
    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        for found in _until_run_ends(directory):
            live.update(status_view(found), refresh=True)


def _until_run_ends(directory: Path) -> Iterator[Status]:
    try:
        while (found := read_status(directory)).state == "running":
            yield found
            time.sleep(REFRESH_SECONDS)
        yield found
    except KeyboardInterrupt:
        return
