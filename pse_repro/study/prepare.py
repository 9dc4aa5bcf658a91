"""The directory of a run: one process and one set of settings at a time, and nothing of anybody else's."""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from pse_repro.errors import NotFitError, UsageError
from pse_repro.files import leftovers, read_regular
from pse_repro.study.address import MANIFEST, RECORD, RunFiles
from pse_repro.study.faults import find_faults, is_fault, move_aside, require_intact, set_aside
from pse_repro.study.manifest import (
    REMEDY,
    Content,
    adopt,
    is_recorded,
    read_manifest,
    remove_partial_line,
)
from pse_repro.study.store import as_json, read_json, write_json

RUNS = Path("runs")  # where runs go without --out
_MAX_RECORD = 100_000_000  # bytes of a run.json


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Lock the run for this process; UsageError if another holds it. Call `check_run` before: this creates files."""
    directory.mkdir(parents=True, exist_ok=True)
    path = RunFiles(directory).lock
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        raise UsageError(f"{path} is no regular file; expected the lock of a run: remove it, or give another --out")
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UsageError(f"{directory} is in use by another process; wait for it, or give another --out") from None
    try:
        yield
    finally:
        lock.release()


def check_run(directory: Path, settings: dict[str, Any], fresh: bool) -> None:
    """Check, without writing, that `directory` is new, empty or a run; unless `fresh`, a run of the same settings.

    Evaluations may differ: they can be added to a run.

    Raises:
        UsageError: it is not; the message names the first setting that differs.
    """
    there = next(path for path in (directory, *directory.absolute().parents) if os.path.lexists(path))
    if not there.is_dir():
        raise UsageError(f"{there} is not a folder; give another --out")
    record = RunFiles(directory).record
    if not _contents(directory):
        return
    if not _is_record(record):
        if is_run(directory):
            raise NotFitError(f"{record} was deleted, or is no regular file; {REMEDY}")
        raise UsageError(f"{directory} is not empty and not a run of this kit; give another --out")
    difference = None if fresh else first_difference(_identity(read_json(record)), _identity(settings))
    if difference is not None:
        key, before, now = difference
        raise UsageError(
            f"{directory} was made with {key} = {before!r}, but now it is {now!r}; "
            "give another --out, or --fresh to move the earlier run aside"
        )


def restore_record(directory: Path, settings: dict[str, Any]) -> None:
    """Write a run.json that was altered or deleted again, if the run's manifest shows that it held these settings.

    If that manifest itself cannot be read, no longer lists run.json, or lists another one than there is and than these
    settings make, both begin anew. The caller holds the lock.
    """
    record, manifest, expected = RunFiles(directory).record, directory / MANIFEST, Content.of(as_json(settings))
    try:
        recorded = read_manifest(directory, directory).files.get(RECORD)
    except NotFitError:
        recorded = None
    if recorded is None:
        lost = is_recorded(directory) or bool(find_faults(directory))
    else:
        lost = expected not in recorded.accepted and _content(record) == expected
    if lost and _is_record(record):
        move_aside(directory, record)
        move_aside(directory, manifest)
        write_json(record, settings)
    elif recorded and expected in recorded.accepted and is_fault(record, recorded):
        move_aside(directory, record)
        write_json(record, settings)


def _content(record: Path) -> Content | None:
    return Content.of(read_regular(record, _MAX_RECORD)) if _is_record(record) else None


def prepare_run(directory: Path, settings: dict[str, Any], fresh: bool, repair: bool = False) -> Path | None:
    """Create a run directory, or prepare one of the same settings for resuming; `check_run` checks which.

    `fresh` moves an earlier run aside (to NAME-before-TIME); it never deletes one. `repair` sets altered files aside;
    their new folder is returned, None if there are none. The caller holds the lock.

    Raises:
        UsageError: as `check_run`.
        NotFitError: files were altered or deleted, and `repair` is not set.
    """
    check_run(directory, settings, fresh)  # again: another process may have written before the lock was acquired
    found = _contents(directory)
    if found and fresh:
        run = directory.resolve()  # "." has no name
        earlier = run.with_name(f"{run.name}-before-{time.strftime('%Y%m%d-%H%M%S')}")
        earlier.mkdir()
        for path in found:
            shutil.move(path, earlier / path.name)
    files = RunFiles(directory)
    for folder, names in files.own_folders().items():
        for leftover in leftovers(folder, names.pattern):
            leftover.unlink()
    for folder in files.manifest_folders():
        remove_partial_line(folder)
    if files.record.is_file() and not is_recorded(directory) and not find_faults(directory):
        adopt(directory, files.own_files())
    aside = set_aside(directory, faults) if repair and (faults := find_faults(directory)) else None
    require_intact(directory, contents=True)
    write_json(files.record, settings)
    return aside


def _contents(directory: Path) -> list[Path]:
    """List a folder's contents, except the lock (an empty file) and what processes killed at the first write left."""
    if not directory.exists():
        return []
    files, own = RunFiles(directory), leftovers(directory, re.escape(RECORD))
    if files.lock.is_file() and not files.lock.stat().st_size:
        own.append(files.lock)
    manifest = read_manifest(directory, directory)
    begun = manifest.run or ((directory / MANIFEST).is_file() and not (directory / MANIFEST).stat().st_size)
    if begun and not any(file.required for file in manifest.files.values()):
        own.append(directory / MANIFEST)
    return [path for path in directory.iterdir() if path not in own]


def is_run(directory: Path) -> bool:
    """Return True if the folder has a record of this kit, or a manifest of this kit that may lack its record."""
    if _is_record(RunFiles(directory).record):
        return True
    try:
        return bool(read_manifest(directory, directory).run)
    except (NotFitError, OSError):
        return False


def _is_record(path: Path) -> bool:
    """Return True if a run.json is one of this kit; a damaged one counts as such."""
    if not path.is_file():
        return False
    try:
        record = json.loads(read_regular(path, _MAX_RECORD))
    except (OSError, ValueError, RecursionError):
        return True
    return isinstance(record, dict) and isinstance(record.get("study"), dict)


def _identity(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that identify a run: all but the evaluations and what a search has measured."""
    # Records from before there were copies and labels have neither.
    study = {"unlabeled": "all"} | settings.get("study", {})
    study["models"] = [{"label": ""} | model for model in study.get("models", [])]
    study.pop("evaluations", None)
    if study.get("tuning"):
        study["tuning"] = {name: value for name, value in study["tuning"].items() if name != "found"}
    return settings | {"study": study}


def first_difference(before: Any, now: Any, key: str = "") -> tuple[str, Any, Any] | None:
    """Return the first dotted key at which two JSON trees differ, with both values; None if they are equal.

    A missing key equals null, so that records from before the key was added can be resumed. Tables in a list are
    numbered from 1, as in "study.models.2.epochs".
    """
    if _are_tables(before) and _are_tables(now) and len(before) == len(now):
        before, now = ({str(number): table for number, table in enumerate(each, 1)} for each in (before, now))
    if isinstance(before, dict) and isinstance(now, dict):
        for name in [*now, *(name for name in before if name not in now)]:
            found = first_difference(before.get(name), now.get(name), f"{key}.{name}" if key else name)
            if found:
                return found
        return None
    return None if before == now else (key, before, now)


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def newest_run(root: Path = RUNS) -> Path:
    """Return the run under `root` that was started or resumed last; UsageError if there is none."""
    runs = [path.parent for path in root.glob(f"*/{RECORD}")]
    if not runs:
        raise UsageError(f"no run in {root}; name a run directory, or make one with: pse-repro smoke")
    return max(runs, key=lambda run: RunFiles(run).record.stat().st_mtime)
