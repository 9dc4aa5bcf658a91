"""Files that appear whole or not at all."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def write_bytes(path: Path, content: bytes) -> None:
    """Write to a temporary file beside `path`, then rename it; on failure nothing is left behind."""
    with written_whole(path) as file:
        file.write(content)


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears at `path` when the context ends well, and else not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno and not error.filename:  # a full disk does not say which file it was
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def leftovers(folder: Path, name: str = "") -> list[Path]:
    """The temporary files in `folder` of processes that were killed while writing the file `name`, or any."""
    temporary = re.compile(rf"\.{re.escape(name) or '.+'}\.\d+\.part")
    return [path for path in folder.iterdir() if temporary.fullmatch(path.name) and path.is_file()]


def data_home() -> Path:
    """STL-10's place where no --data names another: $XDG_DATA_HOME/pse-repro, ~/.local/share/pse-repro without it."""
    return _home("XDG_DATA_HOME", ".local/share")


def cache_home() -> Path:
    """What can be made again (the embedded sample): $XDG_CACHE_HOME/pse-repro, ~/.cache/pse-repro without it."""
    return _home("XDG_CACHE_HOME", ".cache")


def _home(variable: str, default: str) -> Path:
    named = os.environ.get(variable, "")
    base = (
        Path(named) if Path(named).is_absolute() else Path.home() / default
    )  # the specification: ignore relative ones
    return base / "pse-repro"
