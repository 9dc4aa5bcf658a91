"""Small archives, and the results of downloading them."""

import json
from pathlib import Path

import pytest

from pse_repro.data.fetch import get
from pse_repro.errors import NotFitError
from pse_repro.progress.stages import Progress
from tests.support.server import archive, binaries, entries, md5, packed

FILES = binaries()
GOOD = packed(*entries(FILES))
MD5 = md5(GOOD)
OTHER = archive(seed=1)
QUIET = Progress(quiet=True)
PART = get.PART


def written(folder: Path) -> dict[str, bytes]:
    assert folder.name == "stl10_binary"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".archive.json"}


def left(directory: Path) -> list[str]:
    """Return the names of the files in the directory, without the lock."""
    return sorted(path.name for path in directory.iterdir() if path.name != ".stl10_binary.lock")


def refused(directory: Path, source: str | None = None, md5: str | None = None) -> str:
    """Return the one-line error of a refused download, and assert that the target does not exist."""
    with pytest.raises(NotFitError) as caught:
        get.fetch(directory, QUIET, source=source, md5=md5)
    assert caught.value.exit_status == 3
    assert "\n" not in str(caught.value)
    assert not {"stl10_binary", ".stl10_binary.part"} & set(left(directory) if directory.is_dir() else [])
    return str(caught.value)


def begun(directory: Path, content: bytes, **note: object) -> None:
    """Write a partial download and its note."""
    (directory / PART).write_bytes(content)
    (directory / f"{PART}.json").write_text(json.dumps(note))
