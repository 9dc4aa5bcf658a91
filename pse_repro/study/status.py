"""What a run is doing, read from its directory by another process, which writes nothing there.

A run leaves a file for each part of its work, so what is done is exact, and what is in progress is known by the epoch
(as of the last saved state) or the fold.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from pse_repro.errors import UsageError
from pse_repro.progress import duration
from pse_repro.study.address import asked_seeds, cell_folder
from pse_repro.study.cells import Cell, expand
from pse_repro.study.runner import open_record, read_results
from pse_repro.study.work import (
    PRETRAIN,
    Part,
    TimeLeft,
    baseline_folds_to_go,
    cell_parts,
    modified,
    read_json,
    time_left,
)

COLUMNS = 80  # of the terminal that it fits
_MOST_LINES = {"now": 6, "failed": 3, "latest": 4}
_BAR = 40  # characters


@dataclass(frozen=True)
class Working:
    """A cell in progress: `done` of `total` epochs (phase pretrain) or folds; `seconds_each` of those, if recorded."""

    cell: str
    phase: str  # pretrain, the name of an evaluation, or finish
    done: int
    total: int
    seconds_each: float | None


@dataclass(frozen=True)
class Result:
    """A cell in the results table: ensemble top-1 in percent by evaluation; `written`, a time in seconds."""

    cell: str
    top1: dict[str, float]
    written: float


@dataclass(frozen=True)
class Status:
    """`cells` is done + failed + to go (in progress or not begun); `began` is when the run was started or continued.

    `baseline_folds` are those to go of the baselines on pixels, which come after the cells.
    """

    run: str
    study: str
    conditions: str
    state: str  # running, complete, failed, stopped, or unknown where locks cannot be tested
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


def read_status(directory: Path) -> Status:
    """What the run does at this moment; UsageError where the directory is not a run, NotFitError for a damaged file."""
    record, running = open_record(directory), is_held(directory)
    seeds = asked_seeds(directory)
    cells = {cell.name: cell for cell in expand(record.study, record.protocols, seeds)}
    began = modified(directory / "run.json")  # written again whenever the run is continued
    parts = {name: cell_parts(directory, cell) for name, cell in cells.items()}
    ended = {name: modified(cell_folder(directory, cell) / "provenance.json") for name, cell in cells.items()}
    done = [name for name in cells if ended[name] and all(part.complete for part in parts[name])]
    failed = {}
    for name in (name for name in cells if name not in done):
        path = cell_folder(directory, cells[name]) / "failed.json"
        if modified(path) > (began if running else 0):  # an earlier failure is tried again
            failed[name] = str(read_json(path).get("error", "no reason recorded"))
    to_go = [name for name in cells if name not in done and name not in failed]
    working = _working(to_go, parts, ended, began) if running else []
    baseline_folds = baseline_folds_to_go(directory, record.study, record.protocols)
    everything, wanted = ([part for name in names for part in parts[name]] for names in (cells, to_go))
    return Status(
        run=str(directory),
        study=record.study.name,
        conditions=f"{record.study.scale}; {record.data['name']}, {record.device}, {record.precision}",
        state="running" if running else _rest(bool(to_go or baseline_folds), bool(failed), running),
        began=began,
        now=time.time(),
        seeds=seeds,
        cells=len(cells),
        done=len(done),
        failed=failed,
        working=working,
        baseline_folds=baseline_folds,
        left=time_left(everything, wanted, began if running else None),
        results=_results(directory, cells, ended),
    )


def is_held(directory: Path) -> bool | None:
    """Whether a process holds the run's lock; None where this system cannot tell.

    A shared lock is tried and let go of at once, without writing: of a run that is held it gets nothing.
    """
    try:
        import fcntl

        with (directory / ".lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False
    except FileNotFoundError:
        return False
    except (ImportError, OSError):
        return None


def _rest(to_go: bool, failed: bool, running: bool | None) -> str:
    """The state of a run that no process is known to hold."""
    if to_go:
        return "unknown" if running is None else "stopped"
    return "failed" if failed else "complete"


def _working(to_go: list[str], parts: dict[str, list[Part]], ended: dict[str, float], began: float) -> list[Working]:
    """The cells in progress: the first to go; where several processes run cells, those that are known to be run.

    Cells that share a pre-training are run one after another by one process. There are several processes if something
    was written that is of cells behind the first to go alone.
    """
    if not to_go:
        return []
    names = list(parts)
    until = names.index(to_go[0]) + 1
    in_turn = {part.path for name in names[:until] for part in parts[name]}
    ahead = (part for name in names[until:] for part in parts[name] if part.path not in in_turn)
    several = any(part.written > began for part in ahead) or any(ended[name] > began for name in names[until:])
    latest: dict[Path, float] = {}  # that a group of cells, known by its pre-training, wrote
    first: dict[Path, str] = {}  # of its cells to go
    for name in names:
        group, written = parts[name][0].path, max(part.written for part in parts[name])
        latest[group] = max(latest.get(group, 0.0), written, ended[name])
        if name in to_go:
            first.setdefault(group, name)
    found = [name for group, name in first.items() if latest[group] > began] if several else to_go[:1]
    return [_current(name, parts[name]) for name in found]


def _current(name: str, parts: list[Part]) -> Working:
    """The phase of a cell's first part that is not complete."""
    phase = next((part.phase for part in parts if not part.complete), "finish")
    of_phase = [part for part in parts if part.phase == phase]
    done, seconds = sum(part.done for part in of_phase), sum(part.seconds for part in of_phase)
    total = sum(part.total for part in of_phase)
    return Working(name, phase, done, total, seconds / done if done and seconds else None)


def _results(directory: Path, cells: dict[str, Cell], ended: dict[str, float]) -> list[Result]:
    """The cells of the results table that ended last, the last first."""
    try:
        table = read_results(directory)
    except UsageError:  # none yet
        return []
    rows = table[table["fold"].eq("ensemble") & table["metric"].eq("top1")]
    top1: dict[tuple[str, ...], dict[str, float]] = {}
    for row in rows.to_dict("records"):
        key = tuple(row[column] for column in ("protocol", "encoder", "objective", "sigma", "seed"))
        top1.setdefault(key, {})[row["evaluation"]] = row["value"]
    keys = {name: tuple(map(str, cell.key.values())) for name, cell in cells.items()}
    found = sorted((name for name in cells if keys[name] in top1), key=lambda name: ended[name], reverse=True)
    return [Result(name, top1[keys[name]], ended[name]) for name in found[: _MOST_LINES["latest"]]]


def render_status(status: Status, format: str) -> str:
    """`format` is table, for one screen of a terminal, or json (schemas/status.schema.json)."""
    if format == "json":
        return json.dumps(asdict(status), indent=1, allow_nan=False)
    return "\n".join(line if len(line) <= COLUMNS else line[: COLUMNS - 1] + "…" for line in _lines(status))


def _lines(status: Status) -> Iterator[str]:
    share = status.done / status.cells
    yield f"run      {_cut(status.run)}"
    yield f"study    {status.study}, {status.conditions}"
    yield f"state    {_state(status)}"
    to_go = status.cells - status.done - len(status.failed)
    counts = f"{status.done} done, {len(status.failed)} failed, {to_go} to go"
    yield f"cells    {counts}; seeds: {status.seeds}"
    yield f"         {'#' * round(_BAR * share):.<{_BAR}} {share:.0%}"
    if to_go:
        yield f"left     {_left(status)}"
    if status.baseline_folds:
        yield f"         and the baselines on pixels: {status.baseline_folds} folds to go"
    working = [f"{each.cell}: {_phase(each)}" for each in status.working]
    results = [f"{_clock(result)} {result.cell}: {_scores(result)}" for result in status.results]
    failed = [f"{name}: {error}" for name, error in status.failed.items()]
    for title, lines in (("now", working), ("failed", failed), ("latest", results)):
        for number, line in enumerate(lines[: _MOST_LINES[title]]):
            yield f"{'' if number else title:<9}{line}"
        if len(lines) > _MOST_LINES[title]:
            yield f"         and {len(lines) - _MOST_LINES[title]} more"


def _state(status: Status) -> str:
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(status.began))
    return {
        "running": f"running since {began} ({duration(status.now - status.began)})",
        "complete": "complete; no process holds it",
        "failed": "ended, with cells that could not go on; no process holds it",
        "stopped": "stopped, no process holds it; the command that made it continues it",
    }.get(status.state, "unknown: this system cannot tell whether a process holds it")


def _left(status: Status) -> str:
    left = status.left
    if left.seconds is not None:
        continued = "" if status.state == "running" else ", once continued"
        return f"about {duration(left.seconds)} for these seeds{continued}"
    least = f", at least {duration(left.at_least)}" if left.at_least else ""
    return f"unknown{least}; not done once yet: {', '.join(left.unknown)}"


def _phase(working: Working) -> str:
    if working.phase == "finish":
        return "finishing"
    unit = "epochs" if working.phase == PRETRAIN else "folds"
    each = "" if working.seconds_each is None else f", {duration(working.seconds_each)} each"
    return f"{working.phase}, {working.done} of {working.total} {unit}{each}"


def _clock(result: Result) -> str:
    return time.strftime("%H:%M", time.localtime(result.written))


def _scores(result: Result) -> str:
    return ", ".join(f"{evaluation} {value:.2f} %" for evaluation, value in result.top1.items()) or "not judged"


def _cut(path: str) -> str:
    """The end of a long path says more than its beginning."""
    room = COLUMNS - 9
    return path if len(path) <= room else "…" + path[1 - room :]
