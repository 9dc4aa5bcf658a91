"""Reading and writing a run: files by atomic rename, no pickles, one process and one set of settings per run."""

import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import safetensors
import safetensors.torch
from torch import Tensor

from pse_repro.errors import NotFitError, UsageError
from pse_repro.files import leftovers, write_bytes
from pse_repro.study.address import RECORD, RunFiles

RUNS = Path("runs")  # where runs go without --out


def write_json(path: Path, content: Any) -> None:
    write_bytes(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace"))


def read_json(path: Path, default: Any = None) -> Any:
    """Return the contents of a JSON file; `default`, if given, replaces a missing file.

    Raises:
        NotFitError: the file is not JSON, not of the default's type, or cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        if default is not None and isinstance(error, FileNotFoundError):
            return default
        raise NotFitError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise NotFitError(
            f"{path} is not JSON ({error}); it was altered; start again from scratch with --fresh"
        ) from error
    if default is not None and not isinstance(found, type(default)):
        raise NotFitError(f"{path} is not a file of this kit: expected a JSON object; start again with --fresh")
    return found


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_bytes(path, buffer.getvalue())


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an NPZ file by name; NotFitError if it is missing, damaged or holds pickled objects."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:  # NumPy raises many kinds for a damaged archive
        raise NotFitError(f"{path} is not a file of this kit ({error}); delete it to have it recreated") from error


def write_tensors(path: Path, tensors: dict[str, Tensor], note: Any = None) -> str:
    """Write safetensors with a JSON note in the header; return the file's SHA-256."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = safetensors.torch.save(plain, {"note": json.dumps(note)})
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def read_tensors(path: Path, sha256: str | None = None) -> tuple[dict[str, Tensor], Any]:
    """Return tensors and note; NotFitError if the file was altered (its SHA-256 differs) or is not safetensors."""
    remedy = "it was altered; delete its folder to recompute this cell"
    try:
        content = path.read_bytes()
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise NotFitError(
                f"{path} is not the file that was written (its SHA-256 differs from that in pretrain.json): {remedy}"
            )
        length = int.from_bytes(content[:8], "little")
        note = json.loads(json.loads(content[8 : 8 + length]).get("__metadata__", {}).get("note", "null"))
        return safetensors.torch.load(content), note
    except OSError as error:
        raise NotFitError(f"{path} cannot be read: {error.strerror}") from error
    except (safetensors.SafetensorError, ValueError) as error:
        raise NotFitError(f"{path} is not safetensors ({error}): {remedy}") from error


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Lock the run for this process; UsageError if another holds it. Call `check_run` before: this creates files."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(RunFiles(directory).lock)
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
        raise UsageError(f"{directory} is not empty and not a run of this kit; give another --out")
    difference = None if fresh else first_difference(_identity(read_json(record)), _identity(settings))
    if difference is not None:
        key, before, now = difference
        raise UsageError(
            f"{directory} was made with {key} = {before!r}, but now it is {now!r}; "
            "give another --out, or --fresh to move the earlier run aside"
        )


def prepare_run(directory: Path, settings: dict[str, Any], fresh: bool) -> None:
    """Create a run directory, or prepare one of the same settings for resuming; `check_run` checks which.

    `fresh` moves an earlier run aside (to NAME-before-TIME); it never deletes one. The caller holds the lock.
    """
    check_run(directory, settings, fresh)  # again: another process may have written before the lock was acquired
    found = _contents(directory)
    if found and fresh:
        run = directory.resolve()  # "." has no name
        aside = run.with_name(f"{run.name}-before-{time.strftime('%Y%m%d-%H%M%S')}")
        aside.mkdir()
        for path in found:
            shutil.move(path, aside / path.name)
    for folder in _folders(directory):
        for leftover in leftovers(folder):
            leftover.unlink()
    write_json(RunFiles(directory).record, settings)


def _contents(directory: Path) -> list[Path]:
    """List a folder's contents, except the lock (an empty file) and partial records that killed processes left."""
    if not directory.exists():
        return []
    lock, partial = RunFiles(directory).lock, leftovers(directory, RECORD)
    own = [*partial, lock] if lock.is_file() and not lock.stat().st_size else partial
    return [path for path in directory.iterdir() if path not in own]


def _folders(directory: Path) -> Iterator[Path]:
    """Return the folders of a run in which the kit writes, without following links."""
    yield directory
    for written in RunFiles(directory).written_folders:
        if not written.is_symlink():
            yield from (Path(folder) for folder, _, _ in os.walk(written))


def _is_record(path: Path) -> bool:
    """Return True if a run.json is one of this kit; a damaged one counts as such."""
    if not path.is_file():
        return False
    try:
        record = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return True
    return isinstance(record, dict) and isinstance(record.get("study"), dict)


def _identity(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that identify a run: all but the evaluations."""
    study = {key: value for key, value in settings.get("study", {}).items() if key != "evaluations"}
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
