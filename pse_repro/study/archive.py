"""The results archive: a run in one file, with its weights only on request; the same run gives the same bytes.

It contains the folder NAME/, a run directory with additions: README.txt and a comparison, written by the caller, and
SHA256SUMS, which lists every other file (`sha256sum -c SHA256SUMS` checks them). The checksums reveal damage, not
forgery: every archive is treated as untrusted.
"""

import errno
import gzip
import hashlib
import io
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pse_repro.errors import KitError, NotFitError, UsageError
from pse_repro.files import check_target, written_whole
from pse_repro.study.address import MANIFEST, NOT_ARCHIVED, RECORD, SUMS, WEIGHTS, RunFiles
from pse_repro.study.record import Run
from pse_repro.study.store import read_proven
from pse_repro.study.verify import open_intact
from pse_repro.tar import tar_members

SUFFIXES = (".tar.gz", ".tgz", ".zip")
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP can hold
_ZIP_MAGIC, _GZIP_MAGIC = b"PK\x03\x04", b"\x1f\x8b"
_BLOCK = 1 << 20  # bytes
_MAX_RATIO, _MAX_EXTRA = 100, 1 << 20  # an archive may unpack to ratio * its size + extra bytes
_MAX_MEMBERS = 50_000  # a full study of 20 seeds has 5,000 files
_MEMBER_OVERHEAD = 512  # bytes counted for each member besides its content
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO)  # not the archive's fault

Add = Callable[[str, bytes], None]
Member = tuple[str, IO[bytes]]


def write_archive(directory: Path, target: Path, documents: Mapping[str, str], weights: bool = False) -> Path:
    """Write the run and `documents` (text by file name) to `target`, whole or not at all; return `target`.

    A file that vanishes meanwhile, as a saved state does at the end of its pre-training, is left out.

    Raises:
        UsageError, NotFitError: as for `check_archive`.
    """
    check_archive(target)
    top = directory.resolve().name
    sums = []
    with written_whole(target) as file, _adding(file, target) as add:
        for name in sorted({*_files(directory, weights), *documents}):
            try:
                content = documents[name].encode() if name in documents else read_proven(directory / name)
            except FileNotFoundError:
                continue
            sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
            add(f"{top}/{name}", content)
        add(f"{top}/{SUMS}", "".join(sums).encode())
    return target


def check_archive(target: Path) -> None:
    """Check that an archive can be written, before its contents are made.

    Raises:
        UsageError: the name of the target ends with none of SUFFIXES.
        NotFitError: the folder cannot be written.
    """
    if not target.name.endswith(SUFFIXES):
        raise UsageError(f"{target} is neither .tar.gz nor .zip; give --out a file of such a name, or a folder")
    try:
        check_target(target)
    except OSError as error:
        raise NotFitError(f"{target} cannot be written ({error.strerror}); choose another file with --out") from error


@contextmanager
def open_run_or_archive(path: Path) -> Iterator[Run]:
    """Open the run in a directory or an archive; an archive is checked and unpacked, until the context ends.

    Raises:
        UsageError: the directory is not a run.
        NotFitError: files of the run were altered; or the archive is invalid, as for `unpacked`.
    """
    with unpacked(path) as directory:
        yield open_intact(directory)


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Return a run directory unchanged, or unpack an archive until the context ends.

    Raises:
        NotFitError: the archive is damaged, contains no run, or contains something unsafe (a link, a device, a path
            that leads outside, a file not listed in SHA256SUMS, far more bytes than its size suggests).
    """
    if not is_archive(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="pse-repro-") as temporary:
        yield _unpack(path, Path(temporary).resolve())


def is_archive(path: Path) -> bool:
    """Return True if a file is an archive by its name or its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return path.name.endswith(SUFFIXES) or file.read(4).startswith((_ZIP_MAGIC, _GZIP_MAGIC))


def _files(directory: Path, weights: bool) -> list[str]:
    """List the run's own files by their relative paths, and its manifests; never what lies behind a link."""
    files = RunFiles(directory)
    manifests = [folder / MANIFEST for folder in files.manifest_folders()]
    found = (path for path in (*files.own_files(), *manifests) if path.is_file() and not path.is_symlink())
    names = (path.relative_to(directory).as_posix() for path in found)
    left_out = (NOT_ARCHIVED,) if weights else (NOT_ARCHIVED, WEIGHTS)
    return [name for name in names if not any(each.fullmatch(name) for each in left_out)]


@contextmanager
def _adding(file: IO[bytes], target: Path) -> Iterator[Add]:
    """Yield a function that adds a file to the archive, always with the same time, owner and mode."""
    if target.name.endswith(".zip"):
        with zipfile.ZipFile(file, "w") as archive:

            def add_to_zip(name: str, content: bytes) -> None:
                info = zipfile.ZipInfo(name, _ZIP_DATE)
                info.compress_type, info.create_system = (
                    zipfile.ZIP_DEFLATED,
                    3,
                )  # always "made on Unix"
                info.external_attr = (stat.S_IFREG | 0o644) << 16
                archive.writestr(info, content)

            yield add_to_zip
        return
    with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as plain, tarfile.open(fileobj=plain, mode="w") as tar:

        def add_to_tar(name: str, content: bytes) -> None:
            info = tarfile.TarInfo(name)  # time 0, owner 0, mode 644
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))

        yield add_to_tar


def _unpack(archive: Path, folder: Path) -> Path:
    """Unpack into the empty `folder` and check; return the run directory."""
    found: dict[str, str] = {}
    limit = min(_MAX_RATIO * archive.stat().st_size + _MAX_EXTRA, shutil.disk_usage(folder).free)
    try:
        with archive.open("rb") as file:
            members = _zip_members if file.read(2) == _ZIP_MAGIC[:2] else _tar_members
            file.seek(0)
            for name, content in members(file, archive, limit):
                found[name] = _write(content, _inside(folder, name, archive), name, archive)
    except Exception as error:  # a damaged archive raises many kinds
        if isinstance(error, KitError) or getattr(error, "errno", None) in _DISK_ERRORS:
            raise
        raise _refused(archive, " ".join(f"{type(error).__name__}: {error}".split())) from error
    tops = {name.partition("/")[0] for name in found}
    top = tops.pop() if tops else ""
    if tops or f"{top}/{RECORD}" not in found or f"{top}/{SUMS}" not in found:
        raise _refused(archive, f"expected one folder with {RECORD} and {SUMS}")
    _check_sums(folder / top, {name.removeprefix(f"{top}/"): sha256 for name, sha256 in found.items()}, archive)
    return folder / top


def _tar_members(file: IO[bytes], archive: Path, limit: int) -> Iterator[Member]:
    bounded: Any = _Gunzipped(file, limit, archive)
    for member, content in tar_members(bounded, _MAX_MEMBERS):
        if member.isdir():
            continue
        if content is None:
            raise _refused(archive, f"{member.name[:80]!r} is a link, a device or the like")
        yield member.name, content


class _Gunzipped:
    """The plain content of a gzip file; it refuses to return more than `limit` bytes, headers and padding included.

    `gzip` reads what follows the end byte by byte if it is zeros: for days in a file with a hole of a terabyte.
    """

    def __init__(self, file: IO[bytes], limit: int, archive: Path) -> None:
        self._file, self._left, self._archive = file, limit, archive
        self._plain = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    def read(self, size: int) -> bytes:
        content = b""
        while not content and not self._plain.eof:
            block = self._plain.unconsumed_tail or self._file.read(_BLOCK)
            content = self._plain.decompress(block, min(size, self._left + 1))
            if not (block or content):
                raise EOFError("it ends too early")
        self._left -= len(content)
        if self._left < 0:
            raise _too_large(self._archive)
        if self._plain.eof and (self._plain.unused_data or self._file.read(1)):
            raise _refused(self._archive, "something follows its end")
        return content


def _zip_members(file: IO[bytes], archive: Path, limit: int) -> Iterator[Member]:
    with zipfile.ZipFile(file) as opened_zip:
        infos = opened_zip.infolist()
        if len(infos) > _MAX_MEMBERS:
            raise _refused(archive, f"it has more than {_MAX_MEMBERS:,} members")
        if sum(info.file_size + _MEMBER_OVERHEAD for info in infos) > limit:
            raise _too_large(archive)
        for info in infos:
            if info.is_dir():
                continue
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                raise _refused(archive, f"{info.filename[:80]!r} is a link, a device or the like")
            with opened_zip.open(info) as content:
                yield info.filename, content


def _inside(folder: Path, name: str, archive: Path) -> Path:
    """Return the target path of a member; NotFitError if it is not inside `folder`."""
    parts = name.split("/")
    plain = name.isprintable() and "\\" not in name and all(0 < len(part.encode()) < 256 for part in parts)
    if not plain or not (folder / name).resolve().is_relative_to(folder) or {".", ".."} & set(parts):
        raise _refused(archive, f"the path {name[:80]!r} leads elsewhere")
    return folder / name


def _write(content: IO[bytes], path: Path, name: str, archive: Path) -> str:
    """Copy to a new file; return its SHA-256."""
    digest = hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            while block := content.read(_BLOCK):
                digest.update(block)
                file.write(block)
    except (FileExistsError, NotADirectoryError) as error:
        raise _refused(archive, f"{name[:80]!r} is in it twice") from error
    return digest.hexdigest()


def _check_sums(run: Path, found: dict[str, str], archive: Path) -> None:
    del found[SUMS]
    lines = [line.partition("  ") for line in (run / SUMS).read_text("utf-8", "replace").splitlines()]
    listed = {name: sha256 for sha256, _, name in lines}
    for name in sorted(found.keys() | listed.keys()):
        if name not in listed:
            raise _refused(archive, f"{name!r} is not listed in {SUMS}")
        if name not in found:
            raise _refused(archive, f"{name[:80]!r} is listed in {SUMS} but missing")
        if found[name] != listed[name]:
            raise _refused(archive, f"{name!r} has another SHA-256 than in {SUMS}")


def _too_large(archive: Path) -> NotFitError:
    return _refused(archive, f"it unpacks to over {_MAX_RATIO} times its size, or to more than the disk has room for")


def _refused(archive: Path, why: str) -> NotFitError:
    return NotFitError(
        f"{archive} is not a valid results archive ({why}); get another copy, or make a new one with: pse-repro export"
    )
