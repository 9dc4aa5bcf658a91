"""Bounded reads of regular files, atomic file writes, and the folders of data and cache."""

import errno
import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

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
        raise OSError(errno.EINVAL, f"it is {_KINDS.get(stat.S_IFMT(mode), 'no file')}; expected a regular file", path)
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
            if error.errno and not error.filename:  # a full disk's error has no file name
                error.filename = str(path)
            raise
        finally:
            temporary.unlink(missing_ok=True)


def leftovers(folder: Path, names: str = ".+") -> list[Path]:
    """Return the temporary files in `folder` of processes killed while writing a file whose name matches `names`."""
    temporary = re.compile(rf"\.({names})\.\d+\.part")
    return [path for path in folder.iterdir() if temporary.fullmatch(path.name) and path.is_file()]


def data_home() -> Path:
    """Return the default folder of STL-10: $XDG_DATA_HOME/pse-repro, or ~/.local/share/pse-repro without it."""
    return _home("XDG_DATA_HOME", ".local/share")


def cache_home() -> Path:
    """Return the folder of files that can be recreated: $XDG_CACHE_HOME/pse-repro, or ~/.cache/pse-repro without it."""
    return _home("XDG_CACHE_HOME", ".cache")


def _home(variable: str, default: str) -> Path:
    named = os.environ.get(variable, "")
    # The XDG specification: relative paths are invalid and to be ignored.
    base = Path(named) if Path(named).is_absolute() else Path.home() / default
    return base / "pse-repro"
