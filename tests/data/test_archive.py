"""The archive gives its seven files or its first images; damaged and evil ones give one line, and write nothing."""

import gzip
import io
import os
import random
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.data import archive as archive_module
from pse_repro.data.archive import FOLDER, STL10, Counted, extract, first_images
from pse_repro.data.stl10 import IMAGE_BYTES, OFFICIAL_MD5
from pse_repro.errors import NotFitError
from pse_repro.progress import Progress
from tests.data.server import binaries, entries, entry, md5, packed

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
    """The one line with which an archive is refused; all that was written is known files."""
    with pytest.raises(NotFitError) as caught:
        unpack(content, folder, expected)
    assert caught.value.exit_status == 3
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name]
    assert all(path.name in FILES and path.is_file() and not path.is_symlink() for path in folder.iterdir())
    return str(caught.value)


def outcome(content: bytes, folder: Path) -> str:
    """The line with which an archive is refused; empty where it is not."""
    try:
        unpack(content, folder)
    except NotFitError as error:
        return str(error)
    return ""


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of small archives need not reach the disk."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


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
        assert stage._done == counted.done


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
    """The archive with another size in one file's header."""
    plain = bytearray(gzip.decompress(content))
    place = plain.index(f"{FOLDER}/{name}".encode())
    plain[place + 124 : place + 136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)  # type: ignore[attr-defined]
    sign(plain, place)
    return gzip.compress(bytes(plain), 1)


def sign(plain: bytearray, header: int) -> None:
    """Give a header its right checksum."""
    plain[header + 148 : header + 156] = b" " * 8
    plain[header + 148 : header + 156] = f"{sum(plain[header : header + 512]):06o}\0 ".encode()


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


def test_a_truncated_archive_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    places = [0, 1, 2, 9, 10, 11, 500, *random.Random(0).sample(range(len(GOOD) - 100), 20)]
    for number, place in enumerate(places):
        folder = tmp_path / str(number) / "x"
        folder.parent.mkdir()
        assert "is not STL-10's archive, or is damaged" in refused(GOOD[:place], folder)


def test_garbage_after_the_end_is_damage(tmp_path: Path) -> None:
    assert "Not a gzipped file (b'ga')" in refused(GOOD + b"garbage" * 1000, tmp_path / "x")
    (tmp_path / "y").mkdir()
    assert outcome(GOOD + bytes(1000), tmp_path / "y" / "x") == ""  # zeros are padding


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><title>Log in</title>" * 50, "Not a gzipped file (b'<!')): it looks like a web page"),
        (b"  <html>", "Not a gzipped file"),
        (b"", "expected a .tar.gz with stl10_binary/train_X.bin, train_y.bin"),
        (b"PK\x03\x04" * 200, "Not a gzipped file (b'PK')"),
        (gzip.decompress(GOOD), "Not a gzipped file"),
        (gzip.compress(b"x" * 5000, mtime=0), "damaged (invalid header)"),
        (gzip.compress(b"", mtime=0), "expected a .tar.gz"),
        (packed(), "holds no train_X.bin, train_y.bin, test_X.bin, test_y.bin, unlabeled_X.bin"),
    ],
)
def test_what_is_no_such_archive_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in refused(content, tmp_path / "x")
    with pytest.raises(NotFitError):
        first(content)


@given(st.data())
def test_damage_inside_never_does_more_than_a_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    plain = bytearray(gzip.decompress(SMALL))
    headers = [place for place in range(0, len(plain), 512) if plain[place + 257 : place + 262] == b"ustar"]
    for _ in range(data.draw(st.integers(1, 4))):
        header = data.draw(st.sampled_from(headers))
        plain[header + data.draw(st.integers(0, 511))] = data.draw(st.integers(0, 255))
        sign(plain, header)  # so that what was damaged is believed
    place = tmp_path_factory.mktemp("x")
    assert "\n" not in outcome(gzip.compress(bytes(plain), 0), place / "x")
    assert [path.name for path in place.iterdir()] == ["x"]
    assert {path.name for path in (place / "x").iterdir()} <= set(FILES)


@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(1, 255)), min_size=1, max_size=4))
def test_damage_to_the_gzip_never_does_more_than_a_line(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, int]]
) -> None:
    content = bytearray(SMALL)
    for place, difference in damage:
        content[place % (2000 if place % 2 else len(SMALL))] ^= difference  # half of it in the beginning
    assert "\n" not in outcome(bytes(content), tmp_path_factory.mktemp("x") / "x")


def test_the_first_images_are_the_files_beginnings() -> None:
    for count in (1, 2):
        arrays = first(GOOD, count)
        assert list(arrays) == [name.removesuffix(".bin") for name in OFFICIAL_MD5]
        for name, array in arrays.items():
            assert array.dtype == np.uint8
            assert array.shape == ((count, 3, 96, 96) if name.endswith("X") else (count,))
            assert FILES[f"{name}.bin"].startswith(array.tobytes())


def test_no_more_than_the_first_images_is_read() -> None:
    files = {**FILES, "unlabeled_X.bin": random.Random(0).randbytes(40 * IMAGE_BYTES)}
    last = {name: files[name] for name in sorted(files, key=lambda name: name == "unlabeled_X.bin")}
    content = io.BytesIO(packed(*entries(last)))
    first_images(content, 1, {}, "the archive")  # type: ignore[arg-type]
    assert content.tell() < len(content.getvalue()) - 20 * IMAGE_BYTES


@pytest.mark.parametrize("count", [3, 4, 5000])
def test_more_images_than_there_are_is_refused_with_how_many_there_are(count: int) -> None:
    with pytest.raises(
        NotFitError, match=rf"in the archive holds \d images; expected at least {count:,}: ask for fewer"
    ):
        first(GOOD, count)


def test_the_files_of_labels_are_proven() -> None:
    right = {name: md5(FILES[name]) for name in OFFICIAL_MD5}
    first(GOOD, 1, right)
    first(GOOD, 1, right | {"test_X.bin": "0" * 32})  # not read whole
    with pytest.raises(NotFitError, match=f"test_y.bin in the archive has MD5 {right['test_y.bin']}; expected 000"):
        first(GOOD, 1, right | {"test_y.bin": "0" * 32})


@pytest.mark.parametrize("labels", [b"", bytes([1]), bytes([0, 1]), bytes([11, 11])])
def test_labels_that_do_not_fit_are_refused(labels: bytes) -> None:
    with pytest.raises(NotFitError, match=r"test_y.bin in the archive holds (\d labels; expected 2|labels \d+..\d+;)"):
        first(packed(*entries(FILES | {"test_y.bin": labels})))


def test_a_full_disk_is_an_error_of_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive_module.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(GOOD, tmp_path / "x")
