"""Files of a run: written by atomic rename and recorded in a manifest (manifest.py), proven when they are read.

No pickles. JSON, NPZ and safetensors files inside a cell or a pre-training also carry `belongs_to`, their path in the
run, which names model, seed, settings by their hash, evaluation and fold.
"""

import codecs
import errno
import hashlib
import io
import json
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import safetensors
import safetensors.torch
from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import Tensor

from pse_repro import files
from pse_repro.errors import NotFitError, UsageError
from pse_repro.files import read_regular
from pse_repro.study.address import MANIFEST, link_on_way, may_be_left_out
from pse_repro.study.forms import wrong_arrays, wrong_columns
from pse_repro.study.manifest import (
    MAX_UNPROVEN,
    REMEDY,
    Content,
    is_recorded,
    record_removal,
    recorded_file,
    recording,
    run_of,
)
from pse_repro.study.records import Record

BELONGS_TO = "belongs_to"
_ATTEMPTS = 3  # to read a file that its run may replace between the reading of the manifest and of the file
Kind = TypeVar("Kind", bound=Record)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of a run atomically, and record it; UsageError if a folder on its way is a link."""
    run = run_of(path)
    if run and (link := link_on_way(run, path)):
        raise UsageError(f"{link} is a link; nothing of a run is written through one: replace it by a folder")
    with recording(path, content):
        files.write_bytes(path, content)


def read_bytes(path: Path) -> bytes:
    """Return the contents of a file of a run; NotFitError if it is missing, altered, or cannot be read."""
    try:
        return read_proven(path)
    except OSError as error:
        raise NotFitError(f"{path} cannot be read: {error.strerror}") from error


def read_proven(path: Path) -> bytes:
    """Return the contents of a run's file, after comparing them with its manifest.

    Raises:
        FileNotFoundError: it is missing and need not exist.
        OSError: it cannot be read.
        NotFitError: it was deleted or altered, or this run did not write it.
    """
    run = run_of(path)
    if run is None or not is_recorded(run) or path.name == MANIFEST:
        return read_regular(path, MAX_UNPROVEN)
    for _ in range(_ATTEMPTS):
        recorded = recorded_file(run, path)
        try:
            content = read_regular(path, max((each.length for each in recorded.accepted), default=0))
        except FileNotFoundError:
            if not recorded.required or may_be_left_out(run, path.relative_to(run).as_posix()):
                raise
            problem = "was deleted"
            continue
        except OSError as error:
            if error.errno != errno.EFBIG:
                raise
            content = None
        if content is not None and Content.of(content) in recorded.accepted:
            return content
        differs = (
            f"its SHA-256 differs from that in {MANIFEST}" if recorded.accepted else f"{MANIFEST} does not list it"
        )
        problem = f"is not the file that was written: {differs}"
    raise NotFitError(f"{path} {problem}; {REMEDY}")


def remove(path: Path) -> None:
    """Delete a file of a run that is no longer needed, if it exists."""
    if path.exists():
        record_removal(path)
        path.unlink()


def write_json(path: Path, content: dict[str, Any]) -> None:
    write_bytes(path, as_json(content | {BELONGS_TO: mark} if (mark := _mark(path)) else content))


def as_json(content: dict[str, Any]) -> bytes:
    """Return an object as it is stored."""
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def read_json(path: Path) -> dict[str, Any]:
    """Return the contents of a JSON file; NotFitError if it is missing, altered, or not a JSON object."""
    try:
        found = json.loads(read_bytes(path).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise NotFitError(f"{path} is not JSON ({error}); {REMEDY}") from error
    if not isinstance(found, dict):
        raise NotFitError(f"{path} is not a file of this kit: expected a JSON object; {REMEDY}")
    _check_mark(path, found.pop(BELONGS_TO, None))
    return found


def find_record(path: Path, kind: type[Kind]) -> Kind | None:
    """Return the contents of a JSON file as a record (records.py); None if it is missing and need not exist.

    Raises:
        NotFitError: it was deleted or altered, cannot be read, or is not what the kit writes there.
    """
    try:
        content = read_proven(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotFitError(f"{path} cannot be read: {error.strerror}") from error
    record = parse_record(path, content, kind)
    _check_mark(path, record.belongs_to)
    return record


def parse_record(path: Path, content: bytes, kind: type[Kind]) -> Kind:
    """Return a record from the JSON of the file at `path`; NotFitError if it is not what the kit writes."""
    try:
        record: Kind = _adapter(kind).validate_json(b"[" + content.removeprefix(codecs.BOM_UTF8) + b"]")[0]  # type: ignore[arg-type] # classes are hashable
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        where = ".".join(map(str, found["loc"][1:])) or "its content"
        raise NotFitError(f"{path} is not what this kit writes: {where}: {found['msg']}; {REMEDY}") from error
    return record


def read_record(path: Path, kind: type[Kind]) -> Kind:
    """Return the contents of a JSON file as a record; NotFitError as for `find_record`, and if it is missing."""
    record = find_record(path, kind)
    if record is None:
        raise NotFitError(f"{path} is missing; {REMEDY}")
    return record


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Return the validator of a list with one record; there the settings apply to dataclasses (config/toml.py)."""
    return TypeAdapter(tuple[kind], config=ConfigDict(strict=True, extra="ignore"))


def write_npz(path: Path, **arrays: np.ndarray) -> None:
    marked = arrays | {BELONGS_TO: np.array(mark)} if (mark := _mark(path)) else arrays
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **marked)
    write_bytes(path, buffer.getvalue())


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an NPZ file by name.

    Raises:
        NotFitError: it is missing, altered or holds pickled objects or arrays of another form; also later, for an array
            that it does not have.
    """
    content = read_bytes(path)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = _Arrays(stored)
    except Exception as error:  # NumPy raises many kinds for a damaged archive
        raise NotFitError(f"{path} is not an NPZ file of this kit; {REMEDY}") from error
    _check_mark(path, str(arrays.pop(BELONGS_TO, "")))
    if wrong := wrong_arrays(arrays):
        raise NotFitError(f"{path} is not what this kit writes: {wrong}; {REMEDY}")
    arrays.path = path
    return arrays


class _Arrays(dict[str, np.ndarray]):
    """The arrays of a file, which names itself if one is missing."""

    path: Path

    def __missing__(self, name: str) -> np.ndarray:
        raise NotFitError(f"{self.path} is not what this kit writes: it has no {name}; {REMEDY}")


def read_csv(path: Path) -> pd.DataFrame:
    """Return a table of numbers, such as the curves of a pre-training; NotFitError if it is missing or altered."""
    content = read_bytes(path)
    try:
        table = pd.read_csv(io.BytesIO(content))
    except ValueError as error:
        raise NotFitError(f"{path} is not a table of this kit ({error}); {REMEDY}") from error
    if wrong := wrong_columns(path.name, table):
        raise NotFitError(f"{path} is not a table of this kit ({wrong}); {REMEDY}")
    return table


def write_tensors(path: Path, tensors: dict[str, Tensor], note: dict[str, Any] | None = None) -> str:
    """Write safetensors with a JSON note in the header; return the file's SHA-256."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    marked = (note or {}) | {BELONGS_TO: mark} if (mark := _mark(path)) else note
    content = safetensors.torch.save(plain, {"note": json.dumps(marked)})  # one key, as their order would be random
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def read_tensors(path: Path, sha256: str | None = None) -> tuple[dict[str, Tensor], Any]:
    """Return tensors and note; NotFitError if the file was altered (its SHA-256 differs) or is not safetensors."""
    content = read_bytes(path)
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise NotFitError(f"{path} is not the file that pretrain.json names: its SHA-256 differs; {REMEDY}")
    try:
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
        note, tensors = json.loads(metadata.get("note", "null")), safetensors.torch.load(content)
        mark = note.pop(BELONGS_TO, None) if note else None
    except (safetensors.SafetensorError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise NotFitError(f"{path} is not safetensors ({error}); {REMEDY}") from error
    _check_mark(path, mark)
    return tensors, note


def _mark(path: Path) -> str:
    """Return a file's path in its run, for files inside a cell, a pre-training or a baseline; else an empty text."""
    run = run_of(path)
    return path.relative_to(run).as_posix() if run and path.parent != run else ""


def _check_mark(path: Path, found: object) -> None:
    """Raise NotFitError if a file says that it belongs elsewhere; files from before there were marks say nothing."""
    if found and found != _mark(path):
        raise NotFitError(f"{path} belongs to {str(found)[:200]}, from which it was moved or copied; {REMEDY}")
