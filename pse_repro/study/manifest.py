"""Manifests: the name, length and SHA-256 of every file that a run wrote, so that no later change goes unnoticed.

Each folder of a pre-training, each folder of a cell, and the run itself for its other files has a `manifest.jsonl`, to
which lines are only appended:

    {"folder": "models/cnn-mse-seed0-fc3a6928", "run": "9f2c..."}     first: what the manifest belongs to
    {"name": "finetune-00f5ebae/fold-1.npz", "length": 33401, "sha256": "..."}    before the file appears at its path
    {"name": "finetune-00f5ebae/fold-1.npz", "done": true}                       after it
    {"name": "state.safetensors", "removed": true}                               before it is deleted

The run's manifest also has the first lines of the others, so that none can vanish.
A process that is killed in between leaves the file as its last completed line says, as a later line says, or not at
all: these are accepted, and nothing else is. A run without a manifest was made before there were any: nothing in it is
proven until it is resumed, when its files are adopted as they are.
"""

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from pse_repro.errors import NotFitError
from pse_repro.files import read_regular, write_bytes
from pse_repro.study.address import MANIFEST, RECORD, manifest_folder

REMEDY = "run its study again with --repair to make it again"
_MAX_BYTES = 100_000_000  # of a manifest; a line has about 150 bytes
MAX_UNPROVEN = 4_000_000_000  # bytes of a file without a recorded length


@dataclass(frozen=True)
class Content:
    """Length and SHA-256 of a file."""

    length: int  # bytes
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> "Content":
        return cls(len(content), hashlib.sha256(content).hexdigest())


@dataclass(frozen=True)
class RecordedFile:
    """What a manifest says of a file: the contents that it may have, and whether it must exist."""

    accepted: tuple[Content, ...] = ()
    required: bool = False
    adopted: bool = False  # recorded only when the run was resumed


@dataclass(frozen=True)
class _Line:
    """A line of a manifest; its kind is told by the keys that it has."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    folder: str = ""
    run: str = ""
    name: str = ""
    length: int | None = None
    sha256: str = ""
    done: bool = False
    removed: bool = False
    adopted: bool = False


_LINE = TypeAdapter(_Line)


@dataclass(frozen=True)
class Manifest:
    """The manifest of a folder as it is now.

    `run` is the SHA-256 of the first run.json of the run that it belongs to; `files` are keyed by their path in the
    folder; `folders` of the run have manifests of their own, which only the run's lists. Lines that are not as they
    were written count for nothing; `damaged` are their numbers.
    """

    run: str = ""
    files: dict[str, RecordedFile] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    damaged: tuple[int, ...] = ()


def run_of(path: Path) -> Path | None:
    """Return the run that a path lies in, the nearest folder with a run.json; None if there is none."""
    if path.name == RECORD:
        return path.parent
    return next((parent for parent in path.parents if os.path.lexists(parent / RECORD)), None)


def is_recorded(run: Path) -> bool:
    """Return True if the run's files are recorded; False for runs from before there were manifests."""
    return os.path.lexists(run / MANIFEST)


def read_manifest(run: Path, folder: Path) -> Manifest:
    """Read a folder's manifest; without one, no file of the folder is recorded.

    Raises:
        NotFitError: it cannot be read, or belongs to another folder or run.
    """
    path, manifest = folder / MANIFEST, _current(run, folder)
    if folder != run and manifest.run not in ("", read_manifest(run, run).run):
        raise NotFitError(f"{path} belongs to another run or folder, from which it was moved or copied; {REMEDY}")
    return manifest


def _current(run: Path, folder: Path) -> Manifest:
    """Read a folder's manifest, whatever run it belongs to."""
    path = folder / MANIFEST
    try:
        stat = path.lstat()
    except FileNotFoundError:
        return Manifest()
    if path.is_symlink():
        raise NotFitError(f"{path} is a link; expected a regular file; {REMEDY}")
    return _read(path, folder.relative_to(run).as_posix(), (stat.st_mtime_ns, stat.st_size, stat.st_ino))


@lru_cache(maxsize=4096)
def _read(path: Path, folder: str, state: tuple[int, ...]) -> Manifest:
    """Read a manifest; cached by the state of its file."""
    try:
        *lines, rest = read_regular(path, _MAX_BYTES).split(b"\n")
    except OSError as error:
        raise NotFitError(f"{path} cannot be read: {error.strerror}; {REMEDY}") from error
    heading, *parsed = [_parsed(line) for line in lines] or [_Line()]
    files: dict[str, RecordedFile] = {}
    run = heading.run if heading.folder in ("", folder) else "another folder"
    if folder == ".":
        records = [line.sha256 for line in parsed if line.name == RECORD and line.sha256]
        run = heading.run if heading.run in records or not records else records[0]
    folders = [line.folder for line in parsed if line.folder and line.run == run]
    known = [line.folder in folders or _take(line, files) for line in parsed]
    damaged = [number for number, is_known in enumerate(known, 2) if not is_known]
    damaged += [len(lines) + 1] if rest else []  # a line without its end
    if run != "another folder" and ((heading.folder, heading.run) != (folder, run) or not run):
        damaged.insert(0, 1)
    return Manifest(run, files, tuple(folders), tuple(damaged))


def _parsed(text: bytes) -> _Line:
    """Parse a line; one that is not of this kit has nothing in it."""
    try:
        return _LINE.validate_json(text, strict=True)
    except ValidationError:
        return _Line()


def _take(line: _Line, files: dict[str, RecordedFile]) -> bool:
    """Add what a line says of a file; return False if it says nothing."""
    before = files.get(line.name)
    if line.name and line.length is not None:
        accepted = (*(before.accepted if before else ()), Content(line.length, line.sha256))
        files[line.name] = RecordedFile(accepted, line.adopted or bool(before and before.required), line.adopted)
    elif line.done and before:
        files[line.name] = RecordedFile(before.accepted[-1:], True, before.adopted)
    elif line.removed and before:
        files[line.name] = RecordedFile(before.accepted)
    else:
        return False
    return True


@contextmanager
def recording(path: Path, content: bytes) -> Iterator[None]:
    """Record the content that the file at `path` is to have, and afterwards that it has it."""
    run = run_of(path)
    if run is None or not (is_recorded(run) or path == run / RECORD):  # its other files are not recorded, either
        yield
        return
    _append(run, manifest_folder(run, path), [_written(run, path, content)])
    yield
    _append(run, manifest_folder(run, path), [_named(run, path) | {"done": True}])


def record_removal(path: Path) -> None:
    """Record that the file at `path` is to be removed, unless it was never recorded."""
    run = run_of(path)
    if run is not None and is_recorded(run) and recorded_file(run, path).accepted:
        _append(run, manifest_folder(run, path), [_named(run, path) | {"removed": True}])


def adopt(run: Path, paths: Iterable[Path]) -> None:
    """Record the files of a run from before there were manifests, as they are now."""
    lines: dict[Path, list[dict[str, Any]]] = {}
    for path in paths:
        line = _written(run, path, read_regular(path, MAX_UNPROVEN)) | {"adopted": True}
        lines.setdefault(manifest_folder(run, path), []).append(line)
    own = lines.pop(run)
    for folder in lines:
        _append(run, folder, lines[folder])
    # The run's own last, as with it the run is recorded.
    _append(run, run, [*own, *(_heading(run, folder, own) for folder in lines)])


def _named(run: Path, path: Path) -> dict[str, Any]:
    return {"name": path.relative_to(manifest_folder(run, path)).as_posix()}


def _written(run: Path, path: Path, content: bytes) -> dict[str, Any]:
    return _named(run, path) | vars(Content.of(content))


def has_lost_manifest(run: Path, folders: Iterable[Path]) -> bool:
    """Return True if the run has no manifest, but one of its folders has, and not only of adopted files."""
    if is_recorded(run):
        return False
    manifests = (_current(run, folder) for folder in folders)
    return any(not file.adopted for manifest in manifests for file in manifest.files.values())


def _append(run: Path, folder: Path, lines: list[dict[str, Any]]) -> None:
    """Append lines to a folder's manifest, after its heading if it is new."""
    if os.path.lexists(folder / MANIFEST):
        _write_lines(folder / MANIFEST, lines)
        return
    folder.mkdir(parents=True, exist_ok=True)
    heading = _heading(run, folder, lines)
    _write_lines(folder / MANIFEST, [heading, *lines])
    if folder != run and is_recorded(run):
        _write_lines(run / MANIFEST, [heading])


def _write_lines(manifest: Path, lines: list[dict[str, Any]]) -> None:
    content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    # One write in append mode, so that the lines of two processes do not mix.
    descriptor = os.open(manifest, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        before = os.fstat(descriptor).st_size
        if os.write(descriptor, content) < len(content):
            os.ftruncate(descriptor, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(manifest))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _heading(run: Path, folder: Path, lines: list[dict[str, Any]]) -> dict[str, str]:
    """Return the first line of a folder's manifest; `lines` may be about the first run.json, which names the run."""
    if is_recorded(run):
        identity = read_manifest(run, run).run
    else:
        record = run / RECORD
        identity = Content.of(record.read_bytes()).sha256 if record.exists() else lines[0]["sha256"]
    return {"folder": folder.relative_to(run).as_posix(), "run": identity}


def remove_partial_line(folder: Path) -> None:
    """Cut off the last line of a manifest that a power failure left without its end; no process may write."""
    path = folder / MANIFEST
    if not path.is_file() or path.stat().st_size > _MAX_BYTES:  # one so long is a fault
        return
    if not (content := read_regular(path, _MAX_BYTES)).endswith(b"\n"):
        os.truncate(path, content.rfind(b"\n") + 1)


def rewrite(run: Path, folder: Path) -> None:
    """Write a damaged or deleted manifest anew, without its damaged lines."""
    folder.mkdir(parents=True, exist_ok=True)
    path, damaged = folder / MANIFEST, read_manifest(run, folder).damaged
    heading = json.dumps(_heading(run, folder, [])).encode()
    lines = read_regular(path, _MAX_BYTES).split(b"\n")[1:-1] if path.exists() else []
    kept = [line for number, line in enumerate(lines, 2) if number not in damaged]
    write_bytes(path, b"\n".join([heading, *kept, b""]))


def recorded_file(run: Path, path: Path) -> RecordedFile:
    """Return what a manifest says of the file at `path` in the run."""
    folder = manifest_folder(run, path)
    return read_manifest(run, folder).files.get(path.relative_to(folder).as_posix(), RecordedFile())
