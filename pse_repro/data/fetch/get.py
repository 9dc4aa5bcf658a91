"""Download of STL-10: all of it, verified and unpacked; or its first images, read from the archive's beginning.

DIRECTORY/stl10_binary/                    the files, only when complete; .archive.json in it records their source
DIRECTORY/stl10_binary.tar.gz.part         the partial archive; .part.json beside it identifies it for resuming
DIRECTORY/stl10_binary.tar.gz              the archive, if it was to be kept
DIRECTORY/.stl10_binary.part/              the folder being filled; the next call removes a leftover one
DIRECTORY/.stl10_binary.lock               admits one process at a time
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
from pse_repro.data.fetch.part import WrongArchiveError, check_space, discard, download, file_md5, read_json, verify_md5
from pse_repro.data.fetch.stream import ResumingStream, public_url
from pse_repro.data.stl10 import OFFICIAL_MD5, open_dataset
from pse_repro.data.tiny import write_tiny
from pse_repro.errors import NotFitError, explain_os_error
from pse_repro.files import check_target, made_folder, write_bytes
from pse_repro.progress.stages import Progress
from pse_repro.text import amount_of

PART = f"{FOLDER}.tar.gz.part"
KEPT = f"{FOLDER}.tar.gz"
MAX_TINY = 10_000  # images of each split, held in memory; STL-10 has 5,000 labelled ones
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
    """Download STL-10 to `directory`/stl10_binary and return that folder; resume an interrupted download.

    `source` is another URL of the archive, or a local file, which is not changed. With `md5` it may be another archive
    of that layout. Other files in the folder are moved aside, never deleted.

    Raises:
        NotFitError: the source, the archive or the disk does not allow it.
    """
    archive, folder = _archive_from(source, md5), directory / FOLDER
    with _disk_errors(directory):
        if _complete(folder, archive, progress):  # without the lock: finished files on a read-only disk are fine
            return folder
        with made_folder(directory), _locked(directory):
            if not _complete(folder, archive, progress):
                shutil.rmtree(directory / _TEMPORARY, ignore_errors=True)  # left by a killed process
                _install(directory, archive, progress, keep_archive)
    return folder


def fetch_tiny(count: int, target: Path, progress: Progress, *, source: str | None = None) -> Path:
    """Write the first `count` images of each split, and their labels, to the .npz file `target`, and return it.

    Reads the archive (`source` is another URL, or a local file) only until it has these images, and stores nothing
    else.

    Raises:
        NotFitError: the source, the archive, the target or the disk does not allow it.
    """
    if not 1 <= count <= MAX_TINY:
        raise NotFitError(f"{count} images of each split requested; expected 1 to {MAX_TINY:,}: it is one small file")
    archive = STL10 if source is None else Archive(source, None, None, {})
    with _disk_errors(target.parent):
        if _holds(target, count):
            progress.say(f"{target} already holds the first {count:,} images of each split")
            return target
        check_target(target)
        with _opened(archive, progress) as (stream, size):
            with progress.stage("reading STL-10", size or STL10.size or 1, unit="bytes") as stage:
                counted = Counted(stream, stage)
                arrays = first_images(counted, count, archive.files_md5, public_url(archive.where))
            progress.say(f"read {amount_of(counted.done, size)} of the archive")
        write_tiny(target, arrays)
    progress.say(
        f"the first {count:,} images of each split are in {target}; results call them {open_dataset(target).name}"
    )
    return target


def _archive_from(source: str | None, md5: str | None) -> Archive:
    where = source or STL10.where
    md5 = md5.strip().lower() if md5 else STL10.md5
    if not re.fullmatch("[0-9a-f]{32}", md5 or ""):
        raise NotFitError(f"{md5!r} is not an MD5; expected 32 digits 0..9, a..f")
    archive = replace(STL10, where=where) if md5 == STL10.md5 else Archive(where, md5, None, {})
    return archive if archive.is_url else replace(archive, where=str(archive.path))  # it is refused before writing


def _complete(folder: Path, archive: Archive, progress: Progress) -> bool:
    """Return whether `folder` holds the archive's five files, by their published MD5s or those kept when unpacked."""
    files: object = archive.files_md5
    if not files:
        record = read_json(folder / _RECORD)
        files = record.get("files") if record.get("md5") == archive.md5 else None
    if not isinstance(files, Mapping) or not all((folder / name).is_file() for name in OFFICIAL_MD5):
        return False
    sizes = {name: (folder / name).stat().st_size for name in OFFICIAL_MD5}
    smallest_first = sorted(sizes, key=lambda name: sizes[name])  # wrong label files are found at once
    with progress.stage(f"checking {folder.name}", sum(sizes.values()), unit="bytes") as stage:
        complete = all(file_md5(folder / name, stage) == files.get(name) for name in smallest_first)
    if complete:
        progress.say(f"{folder} already holds all images")
    return complete


def _install(directory: Path, archive: Archive, progress: Progress, keep_archive: bool) -> None:
    """Get the archive from its file, from an earlier download or from its URL, and unpack it."""
    kept, part = directory / KEPT, directory / PART
    if not archive.is_url:
        _unpack(verify_md5(archive.path, archive, progress), directory, archive, progress)
    elif kept.is_file() and _is_archive(kept, archive, progress):
        _unpack(kept, directory, archive, progress)
    else:
        download(part, archive, progress)
        _unpack(part, directory, archive, progress)
        if keep_archive:
            os.replace(part, kept)
        discard(part)


def _is_archive(kept: Path, archive: Archive, progress: Progress) -> bool:
    try:
        return verify_md5(kept, archive, progress) == kept
    except WrongArchiveError:
        progress.say(f"{kept} is damaged or another archive; ignoring it")
        return False


def _unpack(path: Path, directory: Path, archive: Archive, progress: Progress) -> None:
    """Extract to a temporary folder beside the target, and rename it once all files are complete and verified."""
    folder, temporary, size = directory / FOLDER, directory / _TEMPORARY, path.stat().st_size
    check_space(directory, size, size)
    try:
        temporary.mkdir()
        with path.open("rb", buffering=0) as file, progress.stage("extracting STL-10", size, unit="bytes") as stage:
            files = extract(Counted(file, stage), temporary, archive.files_md5, public_url(archive.where))
        record = {"where": public_url(archive.where), "md5": archive.md5, "files": files}
        write_bytes(temporary / _RECORD, json.dumps(record, indent=1).encode())
        if folder.exists():
            _move_aside(folder, progress)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    progress.say(f"the images are in {folder}")


def _move_aside(folder: Path, progress: Progress) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
        return
    names = (folder.with_name(f"{folder.name}-before-{number}") for number in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    folder.rename(aside)
    progress.say(f"{folder} held other files, or not all of them: moved to {aside}")


def _holds(target: Path, count: int) -> bool:
    """Return whether `target` exists with that many images; NotFitError if it was not made by `fetch_tiny`."""
    if target.suffix != ".npz":
        raise NotFitError(f"{target} cannot store images; expected a name that ends in .npz")
    if not target.exists():
        return False
    try:
        images = open_dataset(target)
    except NotFitError as error:
        raise NotFitError(f"{target} exists, but is not a file of images ({error}); give another --to") from error
    return {len(images.train), len(images.test), len(images.unlabeled)} == {count}


@contextmanager
def _opened(archive: Archive, progress: Progress) -> Iterator[tuple[io.RawIOBase, int | None]]:
    """Open the archive at its first byte; yield the stream and the size in bytes, if known."""
    if archive.is_url:
        with ResumingStream(archive.where, progress.say, size=archive.size) as stream:
            stream.connect()
            yield stream, stream.size
    else:
        with archive.path.open("rb", buffering=0) as file:
            yield file, archive.path.stat().st_size


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Lock the folder; NotFitError if another process holds the lock. An error leaves no lock without a download."""
    path = directory / f".{FOLDER}.lock"
    try:
        with filelock.FileLock(path, timeout=0):
            try:
                yield
            except BaseException:
                if not (directory / PART).exists():
                    path.unlink(missing_ok=True)
                raise
    except filelock.Timeout:
        raise NotFitError(f"another process is downloading images to {directory}: wait for it to end") from None


@contextmanager
def _disk_errors(directory: Path) -> Iterator[None]:
    """Turn OSError into NotFitError."""
    try:
        yield
    except OSError as error:
        raise NotFitError(explain_os_error(error, directory)) from error
