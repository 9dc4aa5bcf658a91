"""Survey of a run's work in parts, each of which ends with a file: parts done, their time, and the time left.

A run can be surveyed while it is being written: a file is complete or missing, and may vanish meanwhile. Only the
header of a saved state and the `seconds` of a fold are read.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Study
from pse_repro.errors import NotFitError
from pse_repro.evaluation.registry import PRETRAIN, kind_of, row_of
from pse_repro.files import open_regular
from pse_repro.objectives import OBJECTIVES
from pse_repro.progress.facts import StudyStatus, TimeLeft
from pse_repro.study import store
from pse_repro.study.address import CellFiles, RunFiles
from pse_repro.study.cells import Cell
from pse_repro.study.manifest import REMEDY
from pse_repro.study.records import Failure, Measured, StateNote, Trained

_MAX_HEADER = 100_000_000  # bytes: safetensors' own limit


@dataclass(frozen=True)
class Part:
    """A pre-training, in epochs, or one fold of an evaluation (the whole evaluation if it has no folds).

    `kind` groups parts whose epochs or folds cost about the same. `seconds` is the recorded time of the work done (0.0:
    none recorded); `written` is the time of the part's last write in seconds since 1970 (0.0: none yet), and `begun`
    the seconds of an epoch that was partial then.
    """

    path: Path  # the file that completes the part; identifies it, as cells may share a part
    phase: str
    kind: str
    total: int
    done: int
    seconds: float
    written: float
    begun: float = 0.0

    @property
    def complete(self) -> bool:
        return self.done >= self.total


@dataclass(frozen=True)
class Survey:
    """The parts of each cell by its name; `ended` in seconds since 1970 (0.0: not yet), `failed` with the errors."""

    parts: dict[str, list[Part]]
    ended: dict[str, float]
    done: list[str]
    failed: dict[str, str]
    to_go: list[str]
    left: TimeLeft

    @property
    def status(self) -> StudyStatus:
        return StudyStatus(len(self.parts), len(self.done), len(self.failed), self.left)


def survey_cells(
    directory: Path, cells: Iterable[Cell], since: float | None, evaluations: tuple[str, ...] | None = None
) -> Survey:
    """Survey the cells of a run.

    `since` is when the running process began (None: none is running); `evaluations` (None: all) limits its work.

    Raises:
        NotFitError: a file is damaged.
    """
    parts, ended, done, failed = {}, {}, [], {}
    for cell in cells:
        files, name = CellFiles(directory, cell), cell.name
        wanted = cell_parts(directory, cell)
        parts[name] = [part for part in wanted if evaluations is None or part.phase in (PRETRAIN, *evaluations)]
        ended[name] = modified(files.provenance)
        if ended[name] and all(part.complete for part in parts[name]):
            done.append(name)
        elif modified(files.failed) > (since or 0.0):  # cells that failed earlier are run again
            failed[name] = failure.error if (failure := store.find_record(files.failed, Failure)) else ""
    to_go = [name for name in parts if name not in done and name not in failed]
    everything, rest = ([part for name in names for part in parts[name]] for names in (parts, to_go))
    return Survey(parts, ended, done, failed, to_go, time_left(everything, rest, since))


def cell_parts(directory: Path, cell: Cell) -> list[Part]:
    """List the cell's parts in their order of execution.

    Raises:
        NotFitError: a file is damaged.
    """
    encoder, tuning = cell.model.encoder, cell.protocol.switches.finetuning
    files = CellFiles(directory, cell)
    parts = [_pretraining(files, cell)]
    for evaluation in cell.evaluations:
        row = row_of(evaluation)
        kind = f"{kind_of(evaluation)} {encoder}" + (f" {tuning}" if "finetuning" in row.switches else "")
        if not row.has_folds:
            parts.append(_whole(files.measures(evaluation), evaluation, kind))
            continue
        parts += [_fold(path, evaluation, kind) for path in files.folds(evaluation)]
    return parts


def baseline_folds_to_go(directory: Path, study: Study, protocols: list[Protocol]) -> int:
    """Count the folds to go of the baselines on pixels; protocols with the same folds share them (run/baselines.py)."""
    paths = {
        path
        for name in study.baselines
        for protocol in protocols
        if name != "random"  # an untrained encoder is a cell
        for path in RunFiles(directory).baseline_folds(name, protocol, study.folds)
    }
    return sum(not path.is_file() for path in paths)


def time_left(parts: Iterable[Part], wanted: Iterable[Part], since: float | None) -> TimeLeft:
    """Estimate the time left for the `wanted` parts from the mean cost of their kind in `parts`.

    `since` is when the running process began. The estimate is then divided by the recorded seconds per second of its
    run time: above 1 if parts run in parallel, below 1 for time that is not recorded. None assumes one part after
    another.
    """
    spent: defaultdict[str, float] = defaultdict(float)
    done: defaultdict[str, int] = defaultdict(int)
    known = {part.path: part for part in parts}
    for part in known.values():
        if part.done and part.seconds > 0:
            spent[part.kind] += part.seconds
            done[part.kind] += part.done
    rest = [part for part in {part.path: part for part in wanted}.values() if not part.complete]
    unknown = tuple(sorted({part.kind for part in rest if part.kind not in done}))
    seconds = sum((part.total - part.done) * spent[part.kind] / done[part.kind] for part in rest if part.kind in done)
    seconds /= 1.0 if since is None else _pace(known.values(), since)
    return TimeLeft(None if unknown else seconds, seconds, unknown)


def _pace(parts: Iterable[Part], since: float) -> float:
    """Return the recorded seconds per second from `since` to the last write; 1.0 if nothing was recorded since."""
    recent = [part for part in parts if part.written > since and part.seconds + part.begun > 0]
    # What exceeds the time since then belongs to an earlier session.
    recorded = sum(min(part.seconds + part.begun, part.written - since) for part in recent)
    return recorded / (max(part.written for part in recent) - since) if recent else 1.0


def _pretraining(files: CellFiles, cell: Cell) -> Part:
    total = cell.length.epochs
    kind = f"{'pretrain' if OBJECTIVES[cell.model.objective].trains else 'untrained'} {cell.model.encoder}"
    path, state = files.pretraining, files.state
    done, seconds, begun = 0, 0.0, 0.0
    written = modified(state)
    if note := _note(state):  # read before pretrain.json, which is written before the state is deleted
        done, seconds = len(note.curves), sum(row.get("seconds", 0.0) for row in note.curves)
        begun = note.partial.seconds if note.partial else 0.0
    if record := store.find_record(path, Trained):
        done, seconds, written, begun = total, record.seconds, modified(path), 0.0
    return Part(path, PRETRAIN, kind, total, done, seconds, written, begun)


def _whole(path: Path, evaluation: str, kind: str) -> Part:
    """Return the part of an evaluation without folds, which is done once its file exists."""
    record = store.find_record(path, Measured)
    return Part(path, evaluation, kind, 1, int(record is not None), record.seconds if record else 0.0, modified(path))


def _fold(path: Path, evaluation: str, kind: str) -> Part:
    written = modified(path)
    return Part(path, evaluation, kind, 1, int(written > 0), _fold_seconds(path, written) if written else 0.0, written)


@cache
def _fold_seconds(path: Path, written: float) -> float:
    """Read the seconds that a fold took; 0.0 if they are not recorded. Cached by the time of writing."""
    try:
        with open_regular(path) as file, np.load(file, allow_pickle=False) as arrays:
            return float(arrays["seconds"]) if "seconds" in arrays else 0.0
    except FileNotFoundError:
        return 0.0
    except Exception as error:  # NumPy raises many kinds for a damaged archive
        raise NotFitError(f"{path} is not an NPZ file of this kit; {REMEDY}") from error


def _note(path: Path) -> StateNote | None:
    """Read the note in the header of a saved state; None if there is none."""
    try:
        with open_regular(path) as file:
            length = int.from_bytes(file.read(8), "little")
            note = str(json.loads(file.read(min(length, _MAX_HEADER)))["__metadata__"]["note"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotFitError(f"{path} is not a state of this kit; {REMEDY}") from error
    return store.parse_record(path, note.encode(), StateNote)


def modified(path: Path) -> float:
    """Return the time of a file's last write in seconds since 1970; 0.0 if it does not exist."""
    try:
        return max(path.stat().st_mtime, 1.0)  # files unpacked from an archive are of 1970
    except FileNotFoundError:
        return 0.0
