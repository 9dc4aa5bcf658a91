"""Getting STL-10: all of it, downloaded, proven and unpacked; or its first images, read from the archive's beginning.

DIRECTORY/stl10_binary/                    the files, there only when they are complete; .archive.json says from where
DIRECTORY/stl10_binary.tar.gz.part         the archive so far; .part.json beside it: which one it is, for continuing
DIRECTORY/stl10_binary.tar.gz              the archive where it was to be kept
DIRECTORY/.stl10_binary.part/  .lock       a folder being filled, which the next call clears away; one process a time
"""

import io
import itertools
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import filelock

from pse_repro.data.fetch.archive import FOLDER, STL10, Archive, Counted, extract, first_images
from pse_repro.data.fetch.part import WrongArchiveError, check_space, discard, download, file_md5, proven, read_json
from pse_repro.data.fetch.stream import ResumingStream, shown
from pse_repro.data.stl10 import OFFICIAL_MD5, open_dataset
from pse_repro.data.tiny import write_tiny
from pse_repro.errors import NotFitError
from pse_repro.files import write_bytes
from pse_repro.progress.stages import Progress
from pse_repro.text import amount_of

PART = f"{FOLDER}.tar.gz.part"
KEPT = f"{FOLDER}.tar.gz"
_RECORD = ".archive.json"
_TEMPORARY = f".{FOLDER}.part"


def fetch(
    directory: Path,
    progress: Progress,
    *,
    source: str | None = None,
    md5: str | None = None,
    keep_archive: bool = False,
) -> Path:
    """Have STL-10 in `directory`/stl10_binary, which is returned; continues what an earlier call began.

    `source` is another URL of the archive, or a file, which is left as it is. With `md5` it may be another archive of
    that layout. Other files in that folder are set aside, never deleted. NotFitError for whatever prevents it.
    """
    archive, folder = _named(source, md5), directory / FOLDER
    with _disk(directory):
        if _complete(folder, archive, progress):  # without the lock: finished files on a read-only disk are fine
            return folder
        directory.mkdir(parents=True, exist_ok=True)
        with _alone(directory):
            if not _complete(folder, archive, progress):
                shutil.rmtree(directory / _TEMPORARY, ignore_errors=True)  # of a process that was killed
                _get(directory, archive, progress, keep_archive)
    return folder


def fetch_tiny(count: int, target: Path, progress: Progress, *, source: str | None = None) -> Path:
    """Write the first `count` images of each split, and their labels, to the .npz file `target`, which is returned.

    Reads the archive (`source` is another URL, or a file) until it has them, and keeps nothing else. NotFitError for
    whatever prevents it.
    """
    if count < 1:
        raise NotFitError(f"{count} images of each split are asked for; expected at least 1")
    archive = STL10 if source is None else Archive(source, None, None, {})
    with _disk(target.parent):
        if _holds(target, count):
            progress.say(f"the first {count:,} images of each split are there already: {target}")
            return target
        with _reading(archive, progress) as (stream, size):
            with progress.stage("reading STL-10", size or STL10.size or 1, unit="bytes") as stage:
                counted = Counted(stream, stage)
                arrays = first_images(counted, count, archive.files_md5, shown(archive.where))
            progress.say(f"read {amount_of(counted.done, size)} of the archive")
        write_tiny(target, arrays)
    progress.say(
        f"the first {count:,} images of each split are in {target}; results call them {open_dataset(target).name}"
    )
    return target


def _named(source: str | None, md5: str | None) -> Archive:
    where = source or STL10.where
    md5 = md5.lower() if md5 else STL10.md5
    if md5 == STL10.md5:
        return replace(STL10, where=where)
    if not re.fullmatch("[0-9a-f]{32}", md5 or ""):
        raise NotFitError(f"{md5!r} is no MD5; expected 32 digits 0..9, a..f")
    return Archive(where, md5, None, {})


def _complete(folder: Path, archive: Archive, progress: Progress) -> bool:
    """Whether the archive's five files are in `folder`, by the MD5s that are published or were kept when unpacked."""
    files: object = archive.files_md5
    if not files:
        record = read_json(folder / _RECORD)
        files = record.get("files") if record.get("md5") == archive.md5 else None
    if not isinstance(files, Mapping) or not all((folder / name).is_file() for name in OFFICIAL_MD5):
        return False
    sizes = {name: (folder / name).stat().st_size for name in OFFICIAL_MD5}
    smallest_first = sorted(sizes, key=lambda name: sizes[name])  # files of labels that differ show at once
    with progress.stage(f"checking {folder.name}", sum(sizes.values()), unit="bytes") as stage:
        complete = all(file_md5(folder / name, stage) == files.get(name) for name in smallest_first)
    if complete:
        progress.say(f"the images are there already, and complete: {folder}")
    return complete


def _get(directory: Path, archive: Archive, progress: Progress, keep_archive: bool) -> None:
    kept, part = directory / KEPT, directory / PART
    if not archive.is_url:
        _unpack(proven(archive.path, archive, progress), directory, archive, progress)
    elif kept.is_file() and _is(kept, archive, progress):
        _unpack(kept, directory, archive, progress)
    else:
        download(part, archive, progress)
        _unpack(part, directory, archive, progress)
        if keep_archive:
            os.replace(part, kept)
        discard(part)


def _is(kept: Path, archive: Archive, progress: Progress) -> bool:
    try:
        return proven(kept, archive, progress) == kept
    except WrongArchiveError:
        progress.say(f"{kept} is damaged or another archive, and is not used")
        return False


def _unpack(path: Path, directory: Path, archive: Archive, progress: Progress) -> None:
    """Extract into a folder beside the target, which takes the target's name when every file is in it and right."""
    folder, temporary, size = directory / FOLDER, directory / _TEMPORARY, path.stat().st_size
    check_space(directory, size, size)
    try:
        temporary.mkdir()
        with path.open("rb", buffering=0) as file, progress.stage("extracting STL-10", size, unit="bytes") as stage:
            files = extract(Counted(file, stage), temporary, archive.files_md5, shown(archive.where))
        record = {"where": shown(archive.where), "md5": archive.md5, "files": files}
        write_bytes(temporary / _RECORD, json.dumps(record, indent=1).encode())
        if folder.exists():
            _set_aside(folder, progress)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    progress.say(f"the images are in {folder}")


def _set_aside(folder: Path, progress: Progress) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
        return
    names = (folder.with_name(f"{folder.name}-before-{number}") for number in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    folder.rename(aside)
    progress.say(f"{folder} held other files, or not all: they are in {aside} now")


def _holds(target: Path, count: int) -> bool:
    """Whether `target` is there with as many images; NotFitError for a file that was not made by `fetch_tiny`."""
    if target.suffix != ".npz":
        raise NotFitError(f"{target} is to hold images; expected a name that ends in .npz")
    if not target.exists():
        return False
    try:
        images = open_dataset(target)
    except NotFitError as error:
        raise NotFitError(f"{target} is there, and is no file of images ({error}); give another --to") from error
    return {len(images.train), len(images.test), len(images.unlabeled)} == {count}


@contextmanager
def _reading(archive: Archive, progress: Progress) -> Iterator[tuple[io.RawIOBase, int | None]]:
    """The archive from its first byte, and its size in bytes."""
    if archive.is_url:
        with ResumingStream(archive.where, progress.say, size=archive.size) as stream:
            stream.connect()
            yield stream, stream.size
    else:
        with archive.path.open("rb", buffering=0) as file:
            yield file, archive.path.stat().st_size


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One process a folder; NotFitError where another is at it."""
    try:
        with filelock.FileLock(directory / f".{FOLDER}.lock", timeout=0):
            yield
    except filelock.Timeout:
        raise NotFitError(f"another process is getting images into {directory}: wait for it to end") from None


@contextmanager
def _disk(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotFitError(
            f"{error.filename or directory}: {error.strerror or error}; free some space or check the permissions, then "
            "run the same command again"
        ) from error
