"""An archive from any source is verified, and existing files are not downloaded again."""

import json
import shutil
from pathlib import Path

import filelock
import pytest

from pse_repro.data.fetch import get
from pse_repro.data.fetch.archive import Archive
from pse_repro.data.stl10 import OFFICIAL_MD5
from pse_repro.errors import NotFitError
from pse_repro.progress.stages import Progress
from tests.support.getting import FILES, GOOD, MD5, OTHER, QUIET, begun, left, refused, written
from tests.support.server import Answer, Server, binaries, entries, md5, packed


def test_the_official_archive_ends_as_its_files(official: Archive, server: Server, tmp_path: Path) -> None:
    folder = get.fetch(tmp_path / "new" / "place", QUIET)
    assert folder == tmp_path / "new" / "place" / "stl10_binary"
    assert written(folder) == FILES
    assert left(folder.parent) == ["stl10_binary"]
    assert len(server.seen) == 1


def test_what_is_there_is_not_got_again(
    official: Archive, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    get.fetch(tmp_path, QUIET)
    with Progress() as progress:
        assert get.fetch(tmp_path, progress) == tmp_path / "stl10_binary"
    assert "already holds all images" in capsys.readouterr().err
    assert len(server.seen) == 1


def test_official_files_from_elsewhere_need_no_record(official: Archive, server: Server, tmp_path: Path) -> None:
    (tmp_path / "stl10_binary").mkdir()
    for name in OFFICIAL_MD5:
        (tmp_path / "stl10_binary" / name).write_bytes(FILES[name])
    with filelock.FileLock(tmp_path / ".stl10_binary.lock"):  # complete files need no lock
        get.fetch(tmp_path, QUIET)
    assert not server.seen


@pytest.mark.parametrize("name", OFFICIAL_MD5)
@pytest.mark.parametrize("gone", [True, False])
def test_a_damaged_file_is_replaced_and_kept(official: Archive, tmp_path: Path, name: str, gone: bool) -> None:
    folder = get.fetch(tmp_path, QUIET)
    (folder / name).write_bytes(b"mine")
    if gone:
        (folder / name).unlink()
    get.fetch(tmp_path, QUIET)
    assert written(folder) == FILES
    assert left(tmp_path) == ["stl10_binary", "stl10_binary-before-1"]
    before = tmp_path / "stl10_binary-before-1" / name
    assert not before.exists() if gone else before.read_bytes() == b"mine"


def test_an_empty_folder_is_simply_filled(official: Archive, tmp_path: Path) -> None:
    (tmp_path / "stl10_binary").mkdir()
    assert written(get.fetch(tmp_path, QUIET)) == FILES
    assert left(tmp_path) == ["stl10_binary"]


def test_another_archive_is_taken_at_its_md5_and_remembered(official: Archive, server: Server, tmp_path: Path) -> None:
    url = server.serve(OTHER)
    folder = get.fetch(tmp_path, QUIET, source=url, md5=md5(OTHER).upper())
    assert written(folder) == binaries(seed=1)
    get.fetch(tmp_path, QUIET, source=url, md5=md5(OTHER))
    assert len(server.seen) == 1
    (folder / "test_y.bin").write_bytes(b"\1\2")
    get.fetch(tmp_path, QUIET, source=url, md5=md5(OTHER))
    assert written(folder) == binaries(seed=1)
    (folder / ".archive.json").write_text(json.dumps({"md5": md5(OTHER), "files": []}))
    get.fetch(tmp_path, QUIET, source=url, md5=md5(OTHER))
    assert len(server.seen) == 3


def test_an_md5_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "'abc' is not an MD5; expected 32 digits" in refused(tmp_path, "http://x", "abc")


def test_another_archive_in_its_place_is_refused(official: Archive, server: Server, tmp_path: Path) -> None:
    url = server.serve(OTHER)
    line = refused(tmp_path, url)
    assert f"offers {len(OTHER):,} bytes; expected an archive of {len(GOOD):,}" in line
    line = refused(tmp_path, url, "0" * 32)
    assert f"holds {len(OTHER):,} bytes with MD5 {md5(OTHER)}; expected MD5 {'0' * 32}" in line
    assert len(server.seen) == 2  # it came over one connection, so another attempt would give the same file
    assert not left(tmp_path)


def test_a_local_archive_is_proven_and_left_alone(official: Archive, server: Server, tmp_path: Path) -> None:
    (tmp_path / "mine.tgz").write_bytes(GOOD)
    assert written(get.fetch(tmp_path / "x", QUIET, source=str(tmp_path / "mine.tgz"))) == FILES
    assert left(tmp_path / "x") == ["stl10_binary"]
    assert (tmp_path / "mine.tgz").read_bytes() == GOOD
    address = (tmp_path / "mine.tgz").as_uri()
    assert written(get.fetch(tmp_path / "from an address", QUIET, source=address)) == FILES
    assert not server.seen
    (tmp_path / "mine.tgz").write_bytes(GOOD[:-1])
    line = refused(tmp_path / "y", str(tmp_path / "mine.tgz"))
    assert (
        f"mine.tgz holds {len(GOOD) - 1:,} bytes with MD5 {md5(GOOD[:-1])}; expected {len(GOOD):,} bytes with" in line
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere.tgz", "is not a file; expected STL-10's archive"),
        (".", "is not a file; expected STL-10's archive"),
        ("javascript:alert", "is not a file; expected STL-10's archive"),
        ("file:///no/where.tgz", "/no/where.tgz is not a file; expected STL-10's archive"),
        ("ftp://x/y", "ftp://x/y cannot be opened: give --from an address of http, https or file, or a path"),
        ("s3://bucket/key", "s3://bucket/key cannot be opened: give --from an address of http"),
    ],
)
def test_a_source_that_is_none_is_refused_and_nothing_is_made(tmp_path: Path, source: str, said: str) -> None:
    assert said in refused(tmp_path / "x", source)
    assert not (tmp_path / "x").exists()


def test_an_md5_may_be_copied_with_blanks_and_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "mine.tgz").write_bytes(GOOD)
    folder = get.fetch(tmp_path / "x", QUIET, source=str(tmp_path / "mine.tgz"), md5=f" {MD5.upper()}\n")
    assert written(folder) == FILES


@pytest.mark.parametrize("before", [(), ("notes.txt", ".big.iso.part")])
def test_a_refused_source_leaves_the_folder_as_it_was(tmp_path: Path, before: tuple[str, ...]) -> None:
    for name in before:
        (tmp_path / name).write_text("mine")
    (tmp_path / "bad.tgz").write_bytes(b"no archive")
    for source in ("http://127.0.0.1:1/x", "http://%%%/y", "ftp://x/y", str(tmp_path / "bad.tgz")):
        for folder in (tmp_path, tmp_path / "new" / "folder"):
            with pytest.raises(NotFitError):
                get.fetch(folder, QUIET, source=source, md5=md5(b"no archive"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "bad.tgz"])


def test_the_archive_is_kept_where_it_is_wanted_and_used_again(
    official: Archive, server: Server, tmp_path: Path
) -> None:
    folder = get.fetch(tmp_path, QUIET, keep_archive=True)
    assert left(tmp_path) == ["stl10_binary", "stl10_binary.tar.gz"]
    assert (tmp_path / "stl10_binary.tar.gz").read_bytes() == GOOD
    shutil.rmtree(folder)
    assert written(get.fetch(tmp_path, QUIET)) == FILES
    assert len(server.seen) == 1
    shutil.rmtree(folder)
    (tmp_path / "stl10_binary.tar.gz").write_bytes(b"damaged")
    get.fetch(tmp_path, QUIET, keep_archive=True)
    assert (tmp_path / "stl10_binary.tar.gz").read_bytes() == GOOD


def test_a_second_wrong_archive_ends_it(official: Archive, server: Server, tmp_path: Path) -> None:
    wrong = Answer(flip=5)
    server.serve(GOOD, wrong, wrong, usual=wrong)
    begun(tmp_path, GOOD[:9])
    line = refused(tmp_path)
    assert f"holds {len(GOOD):,} bytes with MD5" in line
    assert f"expected {len(GOOD):,} bytes with MD5 {MD5}" in line
    assert server.starts == [9, None]
    assert not left(tmp_path)


def test_an_archive_without_the_files_is_refused(server: Server, tmp_path: Path) -> None:
    content = packed(*entries({"train_X.bin": FILES["train_X.bin"]}))
    line = refused(tmp_path, server.serve(content), md5(content))
    assert "holds no train_y.bin, test_X.bin, test_y.bin, unlabeled_X.bin in stl10_binary/" in line
    assert "127.0.0.1" in line
