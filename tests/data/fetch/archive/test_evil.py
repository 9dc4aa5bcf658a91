"""Malicious members are never written: links, paths outside the folder, huge and sparse files."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from pse_repro.data.fetch.archive import FOLDER
from pse_repro.data.stl10 import IMAGE_BYTES
from tests.support.server import entries, entry, packed
from tests.support.unpacking import FILES, GOOD, first, refused, sign, unpack, written


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=kind, linkname=target)


EVIL = {
    "up": [entry(f"{FOLDER}/../../evil", b"x"), entry("../evil", b"x")],
    "up to a known name": [entry(f"../{FOLDER}/train_X.bin", b"x"), entry(f"{FOLDER}/../train_X.bin", b"x")],
    "absolute": [entry("/tmp/pse-repro-evil", b"x"), entry(f"/{FOLDER}/train_X.bin", b"x")],
    "unknown": [entry("evil", b"x"), entry(f"{FOLDER}/evil.py", b"x"), entry(f"{FOLDER}/train_X.bin/evil", b"x")],
    "other folder": [entry("train_X.bin", b"x"), entry(f"x/{FOLDER}/train_X.bin", b"x")],
    "symlink": [link(f"{FOLDER}/train_X.bin", "/tmp/pse-repro-evil"), link(FOLDER, "/tmp")],
    "link to a folder and a file through it": [link(f"{FOLDER}/out", ".."), entry(f"{FOLDER}/out/evil", b"x")],
    "hard link": [link(f"{FOLDER}/train_X.bin", "/etc/passwd", tarfile.LNKTYPE)],
    "device": [entry(f"{FOLDER}/train_X.bin", type=tarfile.CHRTYPE, devmajor=1, devminor=5)],
    "pipe": [entry(f"{FOLDER}/train_X.bin", type=tarfile.FIFOTYPE)],
    "folder of a known name": [entry(f"{FOLDER}/train_X.bin", type=tarfile.DIRTYPE)],
    "set-uid": [entry(f"{FOLDER}/evil", b"x", mode=0o4777)],
    "other case": [entry(f"{FOLDER}/TRAIN_X.BIN", b"x")],
}


@pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL)
@pytest.mark.parametrize("before", [True, False])
def test_what_is_no_known_plain_file_is_never_written(
    tmp_path: Path, evil: list[tuple[tarfile.TarInfo, bytes]], before: bool
) -> None:
    good = entries(FILES)
    unpack(packed(*(evil + good if before else good + evil)), tmp_path / "x")
    assert written(tmp_path / "x") == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert not Path("/tmp/pse-repro-evil").exists()
    assert all(path.stat().st_mode & 0o7111 == 0 for path in (tmp_path / "x").iterdir())
    np.testing.assert_array_equal(first(packed(*evil, *good))["train_X"], first(GOOD)["train_X"])


def test_a_file_that_comes_twice_is_refused(tmp_path: Path) -> None:
    twice = packed(*entries(FILES), entry(f"{FOLDER}/train_y.bin", b"123"))
    assert "holds train_y.bin twice; expected each file once" in refused(twice, tmp_path / "x")


def with_size(content: bytes, name: str, size: int) -> bytes:
    """Return the archive with a changed size in one file's header."""
    plain = bytearray(gzip.decompress(content))
    place = plain.index(f"{FOLDER}/{name}".encode())
    plain[place + 124 : place + 136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)  # type: ignore[attr-defined]
    sign(plain, place)
    return gzip.compress(bytes(plain), 1)


def test_a_huge_size_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    line = refused(with_size(GOOD, "unlabeled_X.bin", 10**15), tmp_path / "x")
    assert "unlabeled_X.bin needs 1000000.0 GB: free some space" in line
    assert not (tmp_path / "x" / "unlabeled_X.bin").exists()


@pytest.mark.parametrize("size", [-1, -512, -(10**9), 10**9, 4 * IMAGE_BYTES + 1])
@pytest.mark.parametrize("name", ["unlabeled_X.bin", "test_y.bin", "fold_indices.txt"])
def test_a_wrong_size_is_refused(tmp_path: Path, name: str, size: int) -> None:
    refused(with_size(GOOD, name, size), tmp_path / "x")


def test_a_sparse_file_cannot_fill_the_disk(tmp_path: Path) -> None:
    sparse = entry(f"{FOLDER}/train_X.bin", pax_headers={"GNU.sparse.size": "1000000000000", "GNU.sparse.map": "0,0"})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(sparse[0])
        for member, content in entries({name: FILES[name] for name in FILES if name != "train_X.bin"}):
            tar.addfile(member, io.BytesIO(content))
    assert "holds no train_X.bin" in refused(buffer.getvalue(), tmp_path / "x")
