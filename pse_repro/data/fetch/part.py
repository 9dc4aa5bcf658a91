"""The archive on its way: a file that grows, across any interruption, until it is whole and has the right MD5."""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pse_repro.data.fetch.archive import STL10, Archive
from pse_repro.data.fetch.stream import ChangedError, Identity, ResumingStream, shown
from pse_repro.errors import NotFitError
from pse_repro.files import write_bytes
from pse_repro.progress.listener import Stage
from pse_repro.progress.stages import Progress
from pse_repro.text import amount_of

UNPACKED = 1.2  # bytes of the files for a byte of the archive: 3.14 GB for 2.64 GB
_BLOCK = 1 << 18  # bytes


class WrongArchiveError(NotFitError):
    """An archive of another MD5 than the one wanted."""


def download(part: Path, archive: Archive, progress: Progress) -> None:
    """Bring `part` to the whole archive; what was put together from pieces and is wrong is got anew, once."""
    for last in (False, True):
        in_one_piece = False
        try:
            in_one_piece = _append_rest(part, archive, progress)
            proven(part, archive, progress)
            return
        except (ChangedError, WrongArchiveError) as error:
            discard(part)
            if last or in_one_piece:
                raise
            found, _, _ = str(error).rpartition(": ")  # without what to do: it is being done
            progress.say(f"{found}: starting over")


def _append_rest(part: Path, archive: Archive, progress: Progress) -> bool:
    """Append to `part` what it lacks; returns whether all of it came over one connection.

    What counts as there is the file's size on disk, so that it may end anywhere, by any death of the process.
    """
    begun = _begun(part, archive, progress)
    have = part.stat().st_size if part.exists() else 0
    if have and have == (archive.size or begun.size):
        return False
    with ResumingStream(archive.where, progress.say, position=have, begun=begun, size=archive.size) as stream:
        if archive.size is not None:  # before the server is asked, if that can be
            check_space(part.parent, archive.size, have)
        stream.connect()
        if archive.size is None and stream.size is not None:
            check_space(part.parent, stream.size, have)
        note = {"url": shown(archive.where), "md5": archive.md5, **asdict(stream.identity)}
        write_bytes(_note(part), json.dumps(note).encode())
        if have:
            progress.say(f"continues at {amount_of(have, stream.size)}")
        rest = (stream.size or STL10.size or have) - have
        with part.open("ab") as file, progress.stage("downloading STL-10", max(rest, 1), unit="bytes") as stage:
            while block := stream.read(_BLOCK):
                file.write(block)
                stage.advance(len(block))
        return have == 0 and stream.connections <= 1


def _begun(part: Path, archive: Archive, progress: Progress) -> Identity:
    """What is known of the archive that `part` is the beginning of; a part of another one is deleted."""
    note = read_json(_note(part))
    size, validator = note.get("size"), note.get("validator")
    begun = Identity(
        size if isinstance(size, int) else None,
        # another server's ETag means nothing to this one
        validator if isinstance(validator, str) and note.get("url") == shown(archive.where) else None,
    )
    whole = archive.size or begun.size
    too_long = part.exists() and whole is not None and part.stat().st_size > whole
    if too_long or note.get("md5", archive.md5) != archive.md5:
        progress.say(f"{part} is of another archive: starting over")
        discard(part)
        return Identity()
    return begun if part.exists() else Identity()


def discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def proven(path: Path, archive: Archive, progress: Progress) -> Path:
    """The path, if the file has the archive's MD5; else WrongArchiveError."""
    with progress.stage("checking the archive", path.stat().st_size, unit="bytes") as stage:
        found = file_md5(path, stage)
    if found != archive.md5:
        size = "" if archive.size is None else f"{archive.size:,} bytes with "
        raise WrongArchiveError(
            f"{shown(archive.where)} holds {path.stat().st_size:,} bytes with MD5 {found}; expected {size}MD5 "
            f"{archive.md5}: it is damaged or another archive, get it again or give another --from"
        )
    return path


def check_space(directory: Path, size: int, have: int) -> None:
    """Room for the rest of an archive of `size` bytes, of which `have` are there, and for its files."""
    needed, free = round(size - have + UNPACKED * size), shutil.disk_usage(directory).free
    if free < needed:
        raise NotFitError(
            f"{directory} has {amount_of(free, None)} free; {amount_of(needed, None)} are needed, for the archive's "
            f"remaining {amount_of(size - have, None)} and its files: free some space, or give another --data"
        )


def file_md5(path: Path, stage: Stage) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            stage.advance(len(block))
    return digest.hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Empty where there is no such file, or none of this kit."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
