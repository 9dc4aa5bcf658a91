"""Archives of small files, and the results of unpacking them."""

import io
from pathlib import Path

import numpy as np
import pytest

from pse_repro.data.fetch.archive import extract, first_images
from pse_repro.errors import NotFitError
from tests.support.server import binaries, entries, packed

FILES = binaries()
GOOD = packed(*entries(FILES))
SMALL = packed(*entries(binaries({"train": 1, "test": 1, "unlabeled": 1})))


def unpack(content: bytes, folder: Path, expected: dict[str, str] | None = None) -> dict[str, str]:
    folder.mkdir()
    return extract(io.BytesIO(content), folder, expected or {}, "the archive")  # type: ignore[arg-type]


def first(content: bytes, count: int = 2, expected: dict[str, str] | None = None) -> dict[str, np.ndarray]:
    return first_images(io.BytesIO(content), count, expected or {}, "the archive")  # type: ignore[arg-type]


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(content: bytes, folder: Path, expected: dict[str, str] | None = None) -> str:
    """Return the one-line error of a refused archive, and assert that only known files were written."""
    with pytest.raises(NotFitError) as caught:
        unpack(content, folder, expected)
    assert caught.value.exit_status == 3
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name]
    assert all(path.name in FILES and path.is_file() and not path.is_symlink() for path in folder.iterdir())
    return str(caught.value)


def outcome(content: bytes, folder: Path) -> str:
    """Return the one-line error of a refused archive, or an empty string if it is accepted."""
    try:
        unpack(content, folder)
    except NotFitError as error:
        return str(error)
    return ""


def sign(plain: bytearray, header: int) -> None:
    """Write the correct checksum into a header."""
    plain[header + 148 : header + 156] = b" " * 8
    plain[header + 148 : header + 156] = f"{sum(plain[header : header + 512]):06o}\0 ".encode()
