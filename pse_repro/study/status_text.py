"""A run's status, formatted for one screen of a terminal or as JSON."""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from rich.console import RenderableType
from rich.table import Table

from pse_repro.evaluation.registry import PRETRAIN
from pse_repro.progress.facts import TimeLeft
from pse_repro.progress.live import as_text, bar_line, line, name_line, process_lines
from pse_repro.progress.status_file import ProcessStatus
from pse_repro.text import duration, to_json

COLUMNS = 80  # width of the table
MAX_LATEST = 4
_MAX_LINES = {"now": 6, "failed": 3, "latest": MAX_LATEST}
_MAX_WHOLE = 2  # running processes that are shown on several lines each
_MARGIN = 9  # columns, for titles
_BAR = 40  # columns


@dataclass(frozen=True)
class Working:
    """A cell in progress: `done` of `total` epochs (phase pretrain) or folds, and their mean seconds, if recorded.

    `live` is the status of its process, if reported.
    """

    cell: str
    phase: str  # pretrain, the name of an evaluation, or finish
    done: int
    total: int
    seconds_each: float | None
    live: ProcessStatus | None = None


@dataclass(frozen=True)
class Result:
    """A cell in the results table: ensemble top-1 in percent by evaluation; `written` is in seconds since 1970."""

    cell: str
    top1: dict[str, float]
    written: float


@dataclass(frozen=True)
class Status:
    """The status of a run: `cells` = done + failed + to go (in progress or not begun).

    `began`, when the run was started or last resumed, and `now` are in seconds since 1970. `baseline_folds` counts the
    folds to go of the baselines on pixels, which follow the cells.
    """

    run: str
    study: str
    conditions: str
    state: str  # running, complete, failed, stopped, or unknown if locks cannot be tested
    began: float
    now: float
    seeds: int
    cells: int
    done: int
    failed: dict[str, str]
    working: list[Working]
    baseline_folds: int
    left: TimeLeft
    results: list[Result]


def render_status(status: Status, format: str) -> str:
    """Render as `format`: table, for one screen of a terminal, or json (schemas/status.schema.json)."""
    if format == "json":
        return to_json(asdict(status))
    return as_text(status_view(status), COLUMNS)


def status_view(status: Status) -> Table:
    """Lay out a status as a grid of titles and lines."""
    grid = Table.grid()
    grid.add_column(width=_MARGIN)
    grid.add_column()
    for title, content in _rows(status):
        grid.add_row(title, line(content) if isinstance(content, str) else content)
    return grid


def _rows(status: Status) -> Iterator[tuple[str, str | RenderableType]]:
    yield "run", name_line(status.run)
    yield "study", f"{status.study}, {status.conditions}"
    yield "state", _state(status)
    to_go = status.cells - status.done - len(status.failed)
    counts = f"{status.done} done, {len(status.failed)} failed, {to_go} to go"
    yield "cells", f"{counts}; seeds: {status.seeds}"
    yield "", bar_line(status.done, status.cells, f"{status.done / status.cells:.0%}", _BAR)
    if to_go:
        yield "left", _left(status)
    if status.baseline_folds:
        yield "", f"and the baselines on pixels: {status.baseline_folds} folds to go"
    short = len(status.working) > _MAX_WHOLE
    working = [each for process in status.working for each in _working(process, short)]
    results = [f"{_clock(result)} {result.cell}: {_scores(result)}" for result in status.results]
    failed = [f"{name}: {error}" for name, error in status.failed.items()]
    for title, lines in (("now", working), ("failed", failed), ("latest", results)):
        shown = lines[: _MAX_LINES[title]]
        yield from zip([title, *[""] * len(shown)], shown, strict=False)
        if len(lines) > len(shown):
            yield "", f"and {len(lines) - len(shown)} more"


def _state(status: Status) -> str:
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(status.began))
    return {
        "running": f"running since {began} ({duration(status.now - status.began)})",
        "complete": "complete; no process holds it",
        "failed": "ended, with failed cells; no process holds it",
        "stopped": "stopped, no process holds it; run its command again to resume it",
    }.get(status.state, "unknown: this system cannot tell whether a process holds it")


def _left(status: Status) -> str:
    left = status.left
    if left.seconds is not None:
        resumed = "" if status.state == "running" else ", once resumed"
        return f"about {duration(left.seconds)} for these seeds{resumed}"
    at_least = f", at least {duration(left.at_least)}" if left.at_least else ""
    return f"unknown{at_least}; nothing measured yet: {', '.join(left.unknown)}"


def _working(working: Working, short: bool) -> list[RenderableType]:
    if working.live is not None and working.live.phase:
        return process_lines(working.live, short)
    return [name_line(working.cell, f": {_phase(working)}")]


def _phase(working: Working) -> str:
    if working.phase == "finish":
        return "finishing"
    unit = "epochs" if working.phase == PRETRAIN else "folds"
    each = "" if working.seconds_each is None else f", {duration(working.seconds_each)} each"
    return f"{working.phase}, {working.done} of {working.total} {unit}{each}"


def _clock(result: Result) -> str:
    return time.strftime("%H:%M", time.localtime(result.written))


def _scores(result: Result) -> str:
    return ", ".join(f"{evaluation} {value:.2f} %" for evaluation, value in result.top1.items()) or "not evaluated"
