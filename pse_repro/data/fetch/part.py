"""Resumable download of the archive to a partial file, until it is complete and has the expected MD5."""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pse_repro.data.fetch.archive import STL10, Archive
from pse_repro.data.fetch.stream import ChangedError, Identity, ResumingStream, public_url
from pse_repro.errors import NotFitError
from pse_repro.files import read_regular, write_bytes
from pse_repro.progress.listener import Stage
from pse_repro.progress.stages import Progress
from pse_repro.text import amount_of

UNPACKED = 1.2  # bytes of the unpacked files per byte of the archive: 3.14 GB for 2.64 GB
_BLOCK = 1 << 18  # bytes
_MAX_NOTE = 1 << 16  # bytes


class WrongArchiveError(NotFitError):
    """An archive whose MD5 is not the expected one."""


def download(part: Path, archive: Archive, progress: Progress) -> None:
    """Complete and verify the partial file `part`.

    If a file from several connections turns out wrong, it is downloaded again from the start, once.
    """
    for last in (False, True):
        in_one_piece = False
        try:
            in_one_piece = _append_rest(part, archive, progress)
            verify_md5(part, archive, progress)
            return
        except (ChangedError, WrongArchiveError) as error:
            discard(part)
            if last or in_one_piece:
                raise
            found, _, _ = str(error).rpartition(": ")  # without the remedy, which is applied here
            progress.say(f"{found}: starting over")


def _append_rest(part: Path, archive: Archive, progress: Progress) -> bool:
    """Append the missing bytes to `part`; return whether the whole file came over one connection.

    Resumes at the file's size on disk, so the process may have been killed at any byte.
    """
    begun = _begun(part, archive, progress)
    have = part.stat().st_size if part.exists() else 0
    if have and have == (archive.size or begun.size):
        return False
    with ResumingStream(archive.where, progress.say, position=have, begun=begun, size=archive.size) as stream:
        if archive.size is not None:  # known in advance: check before connecting
            check_space(part.parent, archive.size, have)
        stream.connect()
        if archive.size is None and stream.size is not None:
            check_space(part.parent, stream.size, have)
        note = {"url": public_url(archive.where), "md5": archive.md5, **asdict(stream.identity)}
        write_bytes(_note(part), json.dumps(note).encode())
        if have:
            progress.say(f"resuming at {amount_of(have, stream.size)}")
        rest = (stream.size or STL10.size or have) - have
        with part.open("ab") as file, progress.stage("downloading STL-10", max(rest, 1), unit="bytes") as stage:
            while block := stream.read(_BLOCK):
                file.write(block)
                stage.advance(len(block))
        return have == 0 and stream.connections <= 1


def _begun(part: Path, archive: Archive, progress: Progress) -> Identity:
    """Return the recorded identity of the file that `part` is the beginning of; delete a part of another archive."""
    note = read_json(_note(part))
    size, validator = note.get("size"), note.get("validator")
    begun = Identity(
        size if isinstance(size, int) else None,
        # another server's ETag means nothing to this one
        validator if isinstance(validator, str) and note.get("url") == public_url(archive.where) else None,
    )
    whole = archive.size or begun.size
    too_long = part.exists() and whole is not None and part.stat().st_size > whole
    if too_long or note.get("md5", archive.md5) != archive.md5:
        progress.say(f"{part} belongs to another archive: starting over")
        discard(part)
        return Identity()
    return begun if part.exists() else Identity()


def discard(part: Path) -> None:
    """Delete the partial file and its note."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def verify_md5(path: Path, archive: Archive, progress: Progress) -> Path:
    """Return `path`; raise WrongArchiveError unless the file has the archive's MD5."""
    with progress.stage("checking the archive", path.stat().st_size, unit="bytes") as stage:
        found = file_md5(path, stage)
    if found != archive.md5:
        size = "" if archive.size is None else f"{archive.size:,} bytes with "
        raise WrongArchiveError(
            f"{public_url(archive.where)} holds {path.stat().st_size:,} bytes with MD5 {found}; expected {size}MD5 "
            f"{archive.md5}: it is damaged or another archive, download it again or give another --from"
        )
    return path


def check_space(directory: Path, size: int, have: int) -> None:
    """Raise NotFitError unless the disk has room for the rest of the archive and its files.

    The archive has `size` bytes, `have` of them on disk.
    """
    needed, free = round(size - have + UNPACKED * size), shutil.disk_usage(directory).free
    if free < needed:
        raise NotFitError(
            f"{directory} has {amount_of(free, None)} free; {amount_of(needed, None)} are needed, for the archive's "
            f"remaining {amount_of(size - have, None)} and its files: free some space, or give another --data"
        )


def file_md5(path: Path, stage: Stage) -> str:
    """Return the file's MD5; advance `stage` by its bytes."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            stage.advance(len(block))
    return digest.hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; return an empty one if the file is absent or holds anything else."""
    try:
        content = json.loads(read_regular(path, _MAX_NOTE))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
