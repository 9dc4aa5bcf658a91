"""Bounded reads of regular files, atomic file writes, and the folders of data and cache."""

import errno
import io
import os
import pwd
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pse_repro.errors import NotFitError, UsageError

_KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFDIR: "a folder"}
_PASSED = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")  # what a shell passes to this process on purpose, as `<(...)`


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Return the contents of a regular file, or of a pipe passed by the shell.

    Raises:
        OSError: as for `open_regular`, or the file holds more than `max_bytes`; `strerror` says which.
    """
    with open_regular(path) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"it holds more than {max_bytes:,} bytes", str(path))
    return content


def open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file, or a pipe passed by the shell, to read it; nothing else is ever waited for.

    Raises:
        OSError: the file is missing, cannot be opened, or is a named pipe, a device or a folder; `strerror` says which.
    """
    return open(path, "rb", opener=_open_regular)


def _open_regular(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a named pipe waits for its writer.
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) and path.startswith(_PASSED):
        os.set_blocking(descriptor, True)
    elif not stat.S_ISREG(mode):
        os.close(descriptor)
        raise OSError(errno.ENOTSUP, f"it is {_KINDS.get(stat.S_IFMT(mode), 'no file')}; expected a regular file", path)
    return descriptor


def check_target(path: Path) -> None:
    """Raise OSError unless a file can be written at `path`, as far as can be known without writing."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    folder = next(each for each in path.absolute().parents if os.path.lexists(each))
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Create a folder and its parents; those that are still empty are removed again if the context ends in an error."""
    created = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for each in created:
            with suppress(OSError):  # it is not empty, or was never created
                each.rmdir()
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write to a temporary file next to `path`, then rename it; on failure nothing is left behind."""
    with written_whole(path) as file:
        file.write(content)


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears at `path` once the context ends without an error, otherwise not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with made_folder(path.parent):
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            if error.errno:  # a full disk's error has no file name, others have the temporary file's
                error.filename, error.filename2 = str(path), None
            raise
        finally:
            temporary.unlink(missing_ok=True)


def leftovers(folder: Path, names: str = ".+") -> list[Path]:
    """Return the temporary files in `folder` of processes killed while writing a file whose name matches `names`."""
    temporary = re.compile(rf"\.({names})\.\d+\.part")
    return [path for path in folder.iterdir() if temporary.fullmatch(path.name) and path.is_file()]


def decoded(content: bytes, path: str | os.PathLike[str]) -> str:
    """Return the text of a file in UTF-8, without a byte order mark.

    Raises:
        UsageError: it is in another encoding, or not text.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text, found = "\0", f"is not in UTF-8 (byte {error.start + 1:,} is {content[error.start]:#x})"
    else:
        found = "is a binary file"
    if "\0" not in text:
        return text
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or _every_other_is_zero(content):
        found = "is in UTF-16"
    elif content.startswith(b"PK\x03\x04"):
        found = "is an Excel workbook or another zip archive"
    raise UsageError(f"{os.fspath(path)} {found}; save it as plain text in UTF-8 (in Excel: CSV UTF-8)")


def _every_other_is_zero(content: bytes) -> bool:
    """Return whether this looks like UTF-16 without a mark."""
    return len(content) > 1 and any(not any(content[start:1000:2]) for start in (0, 1))


def data_home() -> Path:
    """Return the default folder of the images.

    It is $PSE_REPRO_DATA_HOME (which the container's image sets), else $XDG_DATA_HOME/pse-repro, else
    ~/.local/share/pse-repro, or a temporary folder for a user without a home.
    """
    named = os.environ.get("PSE_REPRO_DATA_HOME", "")
    return Path(named) if named else _home("XDG_DATA_HOME", ".local/share") or _temporary() / "images"


def cache_home(holds: Callable[[Path], bool] = lambda _: False) -> Path:
    """Return the folder of files that can be recreated.

    It is $XDG_CACHE_HOME/pse-repro, or ~/.cache/pse-repro without it. A temporary folder serves if this user cannot
    write to it, unless what is looked for is there (`holds` tells).

    Raises:
        NotFitError: the temporary folder belongs to another user.
    """
    home = _home("XDG_CACHE_HOME", ".cache")
    return home if home and (can_write(home) or holds(home)) else _temporary()


def can_write(path: Path) -> bool:
    """Return whether this user may write to a folder, which need not exist yet."""
    nearest = nearest_existing(path)
    return os.path.isdir(nearest) and os.access(nearest, os.W_OK | os.X_OK)


def nearest_existing(path: Path) -> Path:
    """Return the path or, if it does not exist, its nearest existing parent."""
    return next((each for each in (path.absolute(), *path.absolute().parents) if os.path.exists(each)), Path("/"))


def temporary_warning(path: Path) -> str:
    """Return a warning if `path` is in the temporary folder for want of a better one; else an empty string."""
    if _temporary_name() not in path.parts:
        return ""
    return f"{path} is temporary: no home folder can be written to; set HOME, or XDG_CACHE_HOME and XDG_DATA_HOME"


def _home(variable: str, default: str) -> Path | None:
    named, home = os.environ.get(variable, ""), _user_home()
    # The XDG specification: relative paths are invalid and to be ignored.
    base = Path(named) if Path(named).is_absolute() else home and home / default
    return base and base / "pse-repro"


def _user_home() -> Path | None:
    """Return the user's home folder; None if HOME is not set and the system does not know the user."""
    if home := os.environ.get("HOME"):
        return Path(home)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def _temporary_name() -> str:
    return f"pse-repro-{os.getuid()}"


def _temporary() -> Path:
    try:
        path = Path(tempfile.gettempdir(), _temporary_name())
    except FileNotFoundError:  # none can be written to
        return Path("/tmp", _temporary_name())
    if os.path.lexists(path) and path.lstat().st_uid != os.getuid():
        raise NotFitError(f"{path} belongs to another user: set XDG_CACHE_HOME to a folder of yours")
    return path
