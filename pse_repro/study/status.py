"""The status of a run, read from its directory without writing to it.

Every part of a run's work ends with a file, so completed work is known exactly. Work in progress is reported by the
run's processes in status files (progress/status_file.py); without them it is known to the fold, or to the epoch of the
last saved state.
"""

import time
from pathlib import Path

from pse_repro.files import open_regular
from pse_repro.progress.status_file import ProcessStatus, read_statuses
from pse_repro.study.address import RunFiles
from pse_repro.study.cells import Cell
from pse_repro.study.record import Run
from pse_repro.study.status_text import MAX_LATEST, Result, Status, Working, render_status
from pse_repro.study.survey import Part, Survey, baseline_folds_to_go, modified, survey_cells
from pse_repro.study.verify import open_intact

__all__ = ["Result", "Status", "Working", "is_held", "read_status", "render_status"]


def read_status(directory: Path) -> Status:
    """Read the run's status.

    Raises:
        UsageError: the directory is not a run.
        NotFitError: a file is damaged.
    """
    run, running = open_intact(directory), is_held(directory)
    cells = {cell.name: cell for cell in run.expanded(run.requested_seeds)}
    began = modified(run.run_files.record)  # written again whenever the run is resumed
    found = survey_cells(directory, cells.values(), began if running else None)
    processes = {each.cell: each for each in read_statuses(run.run_files.statuses)} if running else {}
    baseline_folds = baseline_folds_to_go(directory, run.study, run.protocols)
    return Status(
        run=str(directory),
        study=run.study.name,
        conditions=f"{run.study.scale}; {run.images_name}, {run.device}, {run.precision}",
        state="running" if running else _rest(bool(found.to_go or baseline_folds), bool(found.failed), running),
        began=began,
        now=time.time(),
        seeds=run.requested_seeds,
        cells=len(cells),
        done=len(found.done),
        failed=found.failed,
        working=_working(found, processes, began) if running else [],
        baseline_folds=baseline_folds,
        left=found.left,
        results=_results(run, cells, found.ended),
    )


def is_held(directory: Path) -> bool | None:
    """Return True if a process holds the run's lock; None if this system cannot tell.

    A shared lock is tried and released at once, without writing; a held lock is not affected.
    """
    try:
        import fcntl

        with open_regular(RunFiles(directory).lock) as file:
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
    """Return the state of a run that no process is known to hold."""
    if to_go:
        return "unknown" if running is None else "stopped"
    return "failed" if failed else "complete"


def _working(found: Survey, processes: dict[str, ProcessStatus], began: float) -> list[Working]:
    """List the cells in progress in the study's order, by status files or, without them, by the run's other files."""
    named = [name for name in found.parts if name in processes] or _written_last(found, began)
    return [_current(name, found.parts[name], processes.get(name)) for name in named]


def _written_last(found: Survey, began: float) -> list[str]:
    """Return the first cell to go or, if several processes run cells, those that have written since the run began.

    Cells that share a pre-training are run one after another by one process. There are several processes if anything
    was written that belongs only to cells behind the first one to go.
    """
    to_go, parts, ended = found.to_go, found.parts, found.ended
    if not to_go:
        return []
    names = list(parts)
    until = names.index(to_go[0]) + 1
    in_turn = {part.path for name in names[:until] for part in parts[name]}
    ahead = (part for name in names[until:] for part in parts[name] if part.path not in in_turn)
    several = any(part.written > began for part in ahead) or any(ended[name] > began for name in names[until:])
    latest: dict[Path, float] = {}  # last time of writing of a group of cells, keyed by its pre-training
    first: dict[Path, str] = {}  # first cell to go of such a group
    for name in names:
        group, written = parts[name][0].path, max(part.written for part in parts[name])
        latest[group] = max(latest.get(group, 0.0), written, ended[name])
        if name in to_go:
            first.setdefault(group, name)
    return [name for group, name in first.items() if latest[group] > began] if several else to_go[:1]


def _current(name: str, parts: list[Part], live: ProcessStatus | None) -> Working:
    """Summarise the phase of a cell's first incomplete part."""
    phase = next((part.phase for part in parts if not part.complete), "finish")
    of_phase = [part for part in parts if part.phase == phase]
    done, seconds = sum(part.done for part in of_phase), sum(part.seconds for part in of_phase)
    total = sum(part.total for part in of_phase)
    return Working(name, phase, done, total, seconds / done if done and seconds else None, live)


def _results(run: Run, cells: dict[str, Cell], ended: dict[str, float]) -> list[Result]:
    """Return the cells of the results table that ended last, newest first."""
    if not run.has_results:
        return []
    table = run.results
    rows = table[table["fold"].eq("ensemble") & table["metric"].eq("top1")]
    top1: dict[tuple[str, ...], dict[str, float]] = {}
    for row in rows.to_dict("records"):
        key = tuple(row[column] for column in ("protocol", "encoder", "objective", "sigma", "seed"))
        top1.setdefault(key, {})[row["evaluation"]] = row["value"]
    keys = {name: tuple(map(str, cell.key.values())) for name, cell in cells.items()}
    found = sorted((name for name in cells if keys[name] in top1), key=lambda name: ended[name], reverse=True)
    return [Result(name, top1[keys[name]], ended[name]) for name in found[:MAX_LATEST]]
