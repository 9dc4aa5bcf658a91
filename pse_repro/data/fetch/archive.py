"""Reader of STL-10's .tar.gz in one pass: extracts all files to a folder, or the first images to memory.

Only the bytes of a member are used. The reader accepts seven file names and chooses the output path for each itself;
`tarfile` never writes. Members that are not plain files of these names (links, devices, paths outside) are skipped.
"""

import gzip
import hashlib
import io
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np

from pse_repro.data.stl10 import IMAGE_BYTES, OFFICIAL_MD5, SIDE, SPLITS, labelled, open_split
from pse_repro.errors import NotFitError
from pse_repro.progress.listener import Stage
from pse_repro.tar import tar_members
from pse_repro.text import amount_of

FOLDER = "stl10_binary"
NAMES = (*OFFICIAL_MD5, "class_names.txt", "fold_indices.txt")
_MEMBERS = {f"{FOLDER}/{name}": name for name in NAMES}
_BLOCK = 1 << 18  # bytes
_MAX_LABELS = 1 << 20  # label files are held in memory
_MAX_MEMBERS = 1_000  # of which seven are used


@dataclass(frozen=True)
class Archive:
    """An archive in STL-10's layout: a URL or path, its MD5, its size in bytes, and the MD5s of its files, if known."""

    where: str
    md5: str | None
    size: int | None
    files_md5: Mapping[str, str]

    @property
    def is_url(self) -> bool:
        return self._scheme in ("http", "https")

    @property
    def _scheme(self) -> str:
        """The scheme of a URL in small letters; empty for a path."""
        scheme, mark, _ = self.where.partition("://")
        return scheme.strip().lower() if mark else ""

    @property
    def path(self) -> Path:
        """Path of the local archive; NotFitError if there is no such file."""
        path = Path(self.where)
        if self._scheme == "file":
            path = Path(url2pathname(urlsplit(self.where).path))
        elif self._scheme:
            raise NotFitError(
                f"{self.where} cannot be opened: give --from an address of http, https or file, or a path"
            )
        if not path.is_file():
            raise NotFitError(f"{path} is not a file; expected STL-10's archive: give --from its path or its URL")
        return path


STL10 = Archive(
    "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
    md5="91f7769df0f17e558f3565bffb0c7dfb",
    size=2_640_397_119,
    files_md5=OFFICIAL_MD5,
)


class Counted(io.RawIOBase):
    """A binary stream that advances a progress stage by each byte read; `done` is the number so far."""

    def __init__(self, stream: io.RawIOBase, stage: Stage) -> None:
        super().__init__()
        self._stream, self._stage, self.done = stream, stage, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        count = self._stream.readinto(buffer)
        if count:
            self.done += count
            self._stage.advance(count)
        return count


def extract(stream: io.RawIOBase, folder: Path, expected_md5: Mapping[str, str], where: str) -> dict[str, str]:
    """Extract the archive's known files to `folder`, which must exist and be empty; return the MD5 of each file.

    The archive must hold the five binary files, with matching numbers of images and labels, and with the MD5s in
    `expected_md5`, if any. `where` names the archive in errors.

    Raises:
        NotFitError: the archive is damaged or of another kind, or the disk is too small.
        OSError: the disk fails.
    """
    md5: dict[str, str] = {}
    with _opened(stream, where) as plain:
        for name, member, content in _known_files(plain, where):
            free = shutil.disk_usage(folder).free
            if member.size > free:
                raise NotFitError(
                    f"{folder.parent} has {amount_of(free, None)} free; {name} needs {amount_of(member.size, None)}: "
                    "free some space, then run the same command again"
                )
            md5[name] = _write(content, folder / name)
            _check_md5(md5[name], expected_md5.get(name), f"{name} in {where}")
    _check_all_there(md5, where)
    for split in SPLITS:
        open_split(folder, split)
    return md5


def first_images(
    stream: io.RawIOBase, count: int, expected_md5: Mapping[str, str], where: str
) -> dict[str, np.ndarray]:
    """Read the first `count` images of each split as stored, (count, 3, 96, 96) uint8, and their labels (count,).

    Keys are the file names without .bin. The archive is read only as far as necessary. Label files are read completely
    and checked against `expected_md5`.

    Raises:
        NotFitError: the archive has fewer images; also as for `extract`.
    """
    arrays: dict[str, np.ndarray] = {}
    with _opened(stream, where) as plain:
        for name, member, content in _known_files(plain, where):
            if name.endswith("_X.bin"):
                arrays[name] = _first(content, member.size, count, f"{name} in {where}")
            elif name.endswith("_y.bin"):
                whole = content.read(min(member.size, _MAX_LABELS))
                _check_md5(_md5(whole), expected_md5.get(name), f"{name} in {where}")
                arrays[name] = np.frombuffer(whole, np.uint8)[:count]
            if len(arrays) == len(OFFICIAL_MD5):
                break
    _check_all_there(arrays, where)
    for split in ("train", "test"):
        labelled(arrays[f"{split}_X.bin"], arrays[f"{split}_y.bin"], f"{split}_y.bin in {where}")
    return {name.removesuffix(".bin"): arrays[name] for name in OFFICIAL_MD5}


@contextmanager
def _opened(stream: io.RawIOBase, where: str) -> Iterator[IO[bytes]]:
    """Open the gzip, for the tar in it; damage found while reading raises NotFitError."""
    buffered = io.BufferedReader(stream, _BLOCK)
    try:
        with gzip.GzipFile(fileobj=buffered) as plain:
            yield plain  # type: ignore[misc] # a binary stream in all but its declaration
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
        page = "it looks like a web page; " if "(b'<" in str(error) else ""  # gzip's error quotes the first bytes
        raise NotFitError(
            f"{where} is not STL-10's archive, or is damaged ({error}): {page}expected a .tar.gz with {FOLDER}/"
            f"{', '.join(OFFICIAL_MD5)}; download it again, or give another --from"
        ) from error
    finally:
        buffered.detach()  # the caller closes the stream


def _known_files(plain: IO[bytes], where: str) -> Iterator[tuple[str, tarfile.TarInfo, IO[bytes]]]:
    """Yield name, header and content of the plain files with known names; NotFitError if a name comes twice."""
    seen: set[str] = set()
    for member, content in tar_members(plain, _MAX_MEMBERS):
        name = _MEMBERS.get(member.name.removeprefix("./"))
        if name is None or content is None:
            continue
        if name in seen:
            raise NotFitError(f"{where} holds {name} twice; expected each file once: give another --from")
        seen.add(name)
        yield name, member, content


def _write(content: IO[bytes], path: Path) -> str:
    """Copy to a new file and flush it to disk; return the MD5."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("xb") as file:
        while block := content.read(_BLOCK):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _first(content: IO[bytes], size: int, count: int, where: str) -> np.ndarray:
    held = size // IMAGE_BYTES
    if held < count:
        raise NotFitError(f"{where} holds {held:,} images; expected at least {count:,}: request fewer")
    images = np.frombuffer(content.read(count * IMAGE_BYTES), np.uint8)
    return images.reshape(count, 3, SIDE, SIDE)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _check_md5(found: str, expected: str | None, where: str) -> None:
    if expected is not None and found != expected:
        raise NotFitError(f"{where} has MD5 {found}; expected {expected}: it is not STL-10's, give another --from")


def _check_all_there(names: Mapping[str, object], where: str) -> None:
    missing = [name for name in OFFICIAL_MD5 if name not in names]
    if missing:
        raise NotFitError(
            f"{where} holds no {', '.join(missing)} in {FOLDER}/; expected {', '.join(OFFICIAL_MD5)}: it is not "
            "STL-10's archive, give another --from"
        )
