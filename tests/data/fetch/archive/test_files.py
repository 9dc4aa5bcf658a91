"""The archive gives its seven files, verified by MD5 and against each other, or a one-line error."""

import gzip
import io
import random
from pathlib import Path

import numpy as np
import pytest

from pse_repro.data.fetch import archive as archive_module
from pse_repro.data.fetch.archive import FOLDER, STL10, Counted, extract
from pse_repro.data.stl10 import IMAGE_BYTES, OFFICIAL_MD5
from pse_repro.errors import NotFitError
from pse_repro.progress.stages import Progress
from tests.support.server import entries, entry, md5, packed
from tests.support.unpacking import FILES, GOOD, first, refused, unpack, written


def test_the_official_archive_is_the_one_that_is_published() -> None:
    assert STL10.where == "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    assert (STL10.md5, STL10.size) == ("91f7769df0f17e558f3565bffb0c7dfb", 2_640_397_119)
    assert STL10.files_md5 == OFFICIAL_MD5


def test_every_file_comes_out_with_its_md5(tmp_path: Path) -> None:
    assert unpack(GOOD, tmp_path / "x") == {name: md5(content) for name, content in FILES.items()}
    assert written(tmp_path / "x") == FILES


@pytest.mark.parametrize("seed", range(4))
def test_their_order_does_not_matter(tmp_path: Path, seed: int) -> None:
    mixed = entries(FILES)
    random.Random(seed).shuffle(mixed)
    unpack(packed(*mixed), tmp_path / "x")
    assert written(tmp_path / "x") == FILES
    np.testing.assert_array_equal(first(packed(*mixed))["test_X"], first(GOOD)["test_X"])


def test_a_dot_before_the_folder_and_many_gzip_streams_do_no_harm(tmp_path: Path) -> None:
    plain = gzip.decompress(packed(*(entry(f"./{FOLDER}/{name}", content) for name, content in FILES.items())))
    unpack(b"".join(gzip.compress(plain[i : i + 70_000]) for i in range(0, len(plain), 70_000)), tmp_path / "x")
    assert written(tmp_path / "x") == FILES


def test_compressed_bytes_are_counted(tmp_path: Path) -> None:
    with Progress(quiet=True) as progress, progress.stage("x", len(GOOD), unit="bytes") as stage:
        counted = Counted(io.BytesIO(GOOD), stage)  # type: ignore[arg-type]
        (tmp_path / "x").mkdir()
        extract(counted, tmp_path / "x", {}, "the archive")
        assert len(GOOD) - 64 < counted.done <= len(GOOD)
        assert stage.done == counted.done


def test_a_file_with_another_md5_is_refused(tmp_path: Path) -> None:
    right = {name: md5(content) for name, content in FILES.items()}
    line = refused(GOOD, tmp_path / "x", right | {"test_X.bin": "0" * 32})
    assert f"test_X.bin in the archive has MD5 {right['test_X.bin']}; expected {'0' * 32}" in line


@pytest.mark.parametrize("name", OFFICIAL_MD5)
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    content = packed(*entries({other: FILES[other] for other in FILES if other != name}))
    assert f"the archive holds no {name} in stl10_binary/" in refused(content, tmp_path / "x")
    with pytest.raises(NotFitError, match=f"the archive holds no {name}"):
        first(content)


def test_the_texts_may_be_missing(tmp_path: Path) -> None:
    unpack(packed(*entries({name: FILES[name] for name in OFFICIAL_MD5})), tmp_path / "x")
    assert sorted(written(tmp_path / "x")) == sorted(OFFICIAL_MD5)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("train_X.bin", b"x" * (3 * IMAGE_BYTES - 1), "expected a multiple of 27,648 (one image)"),
        ("unlabeled_X.bin", b"", "expected a multiple of 27,648 (one image), at least one"),
        ("train_y.bin", bytes([1, 2]), "holds 2 labels; expected 3, one for each image"),
        ("test_y.bin", bytes([1, 11]), "holds labels 1..11; expected 1..10"),
    ],
)
def test_files_that_do_not_fit_each_other_are_refused(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    line = refused(packed(*entries(FILES | {name: content})), tmp_path / "x")
    assert name in line
    assert expected in line


def test_a_full_disk_is_an_error_of_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive_module.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(GOOD, tmp_path / "x")
