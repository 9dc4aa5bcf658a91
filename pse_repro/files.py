"""Atomic file writes, and the folders of data and cache."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def write_bytes(path: Path, content: bytes) -> None:
    """Write to a temporary file next to `path`, then rename it; on failure nothing is left behind."""
    with written_whole(path) as file:
        file.write(content)


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears at `path` once the context ends without an error, otherwise not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
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


def leftovers(folder: Path, name: str = "") -> list[Path]:
    """Return the temporary files in `folder` of processes killed while writing the file `name` (default: any file)."""
    temporary = re.compile(rf"\.{re.escape(name) or '.+'}\.\d+\.part")
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
