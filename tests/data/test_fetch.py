"""Getting an archive ends with exactly its files, or with one line after which the next call gets them."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import filelock
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pse_repro.data import archive as archive_module
from pse_repro.data import download, fetch
from pse_repro.data.archive import Archive
from pse_repro.data.stl10 import OFFICIAL_MD5, open_dataset
from pse_repro.errors import NotFitError
from pse_repro.progress import Progress, Stage
from tests.data.server import Answer, Server, archive, binaries, entries, md5, packed, serving

FILES = binaries()
GOOD = packed(*entries(FILES))
MD5 = md5(GOOD)
OTHER = archive(seed=1)
QUIET = Progress(quiet=True)
PART = fetch.PART


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def impatient() -> Iterator[None]:
    """Time-outs for a local server; no proxy of the machine's; small archives need not reach the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download, "READ_SECONDS", 2.0)
        patch.setattr(download, "BACKOFF_SECONDS", 0.0)
        patch.setattr(os, "fsync", lambda _: None)
        for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture
def official(server: Server, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """Makes the small archive STL-10's."""
    known = Archive(server.serve(GOOD), MD5, len(GOOD), {name: md5(FILES[name]) for name in OFFICIAL_MD5})
    monkeypatch.setattr(fetch, "STL10", known)
    return known


def written(folder: Path) -> dict[str, bytes]:
    assert folder.name == "stl10_binary"
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".archive.json"}


def left(directory: Path) -> list[str]:
    """What is in the directory besides the lock."""
    return sorted(path.name for path in directory.iterdir() if path.name != ".stl10_binary.lock")


def refused(directory: Path, source: str | None = None, md5: str | None = None) -> str:
    """The one line with which it is refused; nothing is in the target's place."""
    with pytest.raises(NotFitError) as caught:
        fetch.fetch(directory, QUIET, source=source, md5=md5)
    assert caught.value.exit_status == 3
    assert "\n" not in str(caught.value)
    assert not {"stl10_binary", ".stl10_binary.part"} & set(left(directory) if directory.is_dir() else [])
    return str(caught.value)


class Interrupted(Progress):
    """Ctrl-C after so many bytes of a stage."""

    def __init__(self, stage: str, after: int) -> None:
        super().__init__(quiet=True)
        self.name, self.after = stage, after

    def stage(self, name: str, total: int, unit: str = "images"):  # type: ignore[no-untyped-def]
        found = super().stage(name, total, unit)
        return _Cut(found, self) if name.startswith(self.name) else found


class _Cut:
    def __init__(self, inner: object, progress: Interrupted) -> None:
        self.inner, self.progress = inner, progress

    def __enter__(self) -> "_Cut":
        self.stage: Stage = self.inner.__enter__()  # type: ignore[attr-defined]
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def advance(self, count: int) -> None:
        self.progress.after -= count
        if self.progress.after < 0:
            raise KeyboardInterrupt


def test_the_official_archive_ends_as_its_files(official: Archive, server: Server, tmp_path: Path) -> None:
    folder = fetch.fetch(tmp_path / "new" / "place", QUIET)
    assert folder == tmp_path / "new" / "place" / "stl10_binary"
    assert written(folder) == FILES
    assert left(folder.parent) == ["stl10_binary"]
    assert len(server.seen) == 1


def test_what_is_there_is_not_got_again(
    official: Archive, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch.fetch(tmp_path, QUIET)
    with Progress() as progress:
        assert fetch.fetch(tmp_path, progress) == tmp_path / "stl10_binary"
    assert "are there already, and complete" in capsys.readouterr().err
    assert len(server.seen) == 1


def test_official_files_from_elsewhere_need_no_record(official: Archive, server: Server, tmp_path: Path) -> None:
    (tmp_path / "stl10_binary").mkdir()
    for name in OFFICIAL_MD5:
        (tmp_path / "stl10_binary" / name).write_bytes(FILES[name])
    with filelock.FileLock(tmp_path / ".stl10_binary.lock"):  # it needs no lock either
        fetch.fetch(tmp_path, QUIET)
    assert not server.seen


@pytest.mark.parametrize("name", OFFICIAL_MD5)
@pytest.mark.parametrize("gone", [True, False])
def test_a_damaged_file_is_replaced_and_kept(official: Archive, tmp_path: Path, name: str, gone: bool) -> None:
    folder = fetch.fetch(tmp_path, QUIET)
    (folder / name).write_bytes(b"mine")
    if gone:
        (folder / name).unlink()
    fetch.fetch(tmp_path, QUIET)
    assert written(folder) == FILES
    assert left(tmp_path) == ["stl10_binary", "stl10_binary-before-1"]
    before = tmp_path / "stl10_binary-before-1" / name
    assert not before.exists() if gone else before.read_bytes() == b"mine"


def test_an_empty_folder_is_simply_filled(official: Archive, tmp_path: Path) -> None:
    (tmp_path / "stl10_binary").mkdir()
    assert written(fetch.fetch(tmp_path, QUIET)) == FILES
    assert left(tmp_path) == ["stl10_binary"]


def test_another_archive_is_taken_at_its_md5_and_remembered(official: Archive, server: Server, tmp_path: Path) -> None:
    url = server.serve(OTHER)
    folder = fetch.fetch(tmp_path, QUIET, source=url, md5=md5(OTHER).upper())
    assert written(folder) == binaries(seed=1)
    fetch.fetch(tmp_path, QUIET, source=url, md5=md5(OTHER))
    assert len(server.seen) == 1
    (folder / "test_y.bin").write_bytes(b"\1\2")
    fetch.fetch(tmp_path, QUIET, source=url, md5=md5(OTHER))
    assert written(folder) == binaries(seed=1)
    (folder / ".archive.json").write_text(json.dumps({"md5": md5(OTHER), "files": []}))
    fetch.fetch(tmp_path, QUIET, source=url, md5=md5(OTHER))
    assert len(server.seen) == 3


def test_an_md5_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "'abc' is no MD5; expected 32 digits" in refused(tmp_path, "http://x", "abc")


def test_another_archive_in_its_place_is_refused(official: Archive, server: Server, tmp_path: Path) -> None:
    url = server.serve(OTHER)
    line = refused(tmp_path, url)
    assert f"offers {len(OTHER):,} bytes; expected an archive of {len(GOOD):,}" in line
    line = refused(tmp_path, url, "0" * 32)
    assert f"holds {len(OTHER):,} bytes with MD5 {md5(OTHER)}; expected MD5 {'0' * 32}" in line
    assert len(server.seen) == 2  # it came in one piece: another attempt would bring the same
    assert not left(tmp_path)


def test_a_local_archive_is_proven_and_left_alone(official: Archive, server: Server, tmp_path: Path) -> None:
    (tmp_path / "mine.tgz").write_bytes(GOOD)
    assert written(fetch.fetch(tmp_path / "x", QUIET, source=str(tmp_path / "mine.tgz"))) == FILES
    assert left(tmp_path / "x") == ["stl10_binary"]
    assert (tmp_path / "mine.tgz").read_bytes() == GOOD
    assert not server.seen
    (tmp_path / "mine.tgz").write_bytes(GOOD[:-1])
    line = refused(tmp_path / "y", str(tmp_path / "mine.tgz"))
    assert (
        f"mine.tgz holds {len(GOOD) - 1:,} bytes with MD5 {md5(GOOD[:-1])}; expected {len(GOOD):,} bytes with" in line
    )


@pytest.mark.parametrize("source", ["nowhere.tgz", ".", "file:///etc/passwd", "ftp://x/y"])
def test_a_source_that_is_none_is_refused(tmp_path: Path, source: str) -> None:
    line = refused(tmp_path, source)
    assert "is no file; expected STL-10's archive" in line or "cannot be opened" in line


def test_the_archive_is_kept_where_it_is_wanted_and_used_again(
    official: Archive, server: Server, tmp_path: Path
) -> None:
    folder = fetch.fetch(tmp_path, QUIET, keep_archive=True)
    assert left(tmp_path) == ["stl10_binary", "stl10_binary.tar.gz"]
    assert (tmp_path / "stl10_binary.tar.gz").read_bytes() == GOOD
    shutil.rmtree(folder)
    assert written(fetch.fetch(tmp_path, QUIET)) == FILES
    assert len(server.seen) == 1
    shutil.rmtree(folder)
    (tmp_path / "stl10_binary.tar.gz").write_bytes(b"damaged")
    fetch.fetch(tmp_path, QUIET, keep_archive=True)
    assert (tmp_path / "stl10_binary.tar.gz").read_bytes() == GOOD


@pytest.mark.parametrize("after", [0, 1, 30_000, 100_000, len(GOOD) - 1])
def test_interrupted_it_continues(
    official: Archive, server: Server, tmp_path: Path, after: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        fetch.fetch(tmp_path, Interrupted("downloading", after))
    there = (tmp_path / PART).read_bytes()
    assert len(there) > after
    assert GOOD.startswith(there)
    with Progress() as progress:
        assert written(fetch.fetch(tmp_path, progress)) == FILES
    assert server.starts == [None, len(there)] if len(there) < len(GOOD) else [None]
    assert server.seen[-1].headers.get("If-Range") in ('"one"', None)
    assert ("continues at 0." in capsys.readouterr().err) == (len(there) < len(GOOD))
    assert left(tmp_path) == ["stl10_binary"]


@pytest.mark.parametrize("after", [0, 100_000])
def test_interrupted_while_unpacking_it_unpacks_again(
    official: Archive, server: Server, tmp_path: Path, after: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        fetch.fetch(tmp_path, Interrupted("extracting", after))
    assert left(tmp_path) == [PART, f"{PART}.json"]
    assert written(fetch.fetch(tmp_path, QUIET)) == FILES
    assert len(server.seen) == 1


def test_leftovers_of_a_killed_process_are_cleared_away(official: Archive, tmp_path: Path) -> None:
    (tmp_path / ".stl10_binary.part" / "more").mkdir(parents=True)
    (tmp_path / ".stl10_binary.part" / "train_X.bin").write_bytes(b"half")
    assert written(fetch.fetch(tmp_path, QUIET)) == FILES
    assert left(tmp_path) == ["stl10_binary"]


def begun(directory: Path, content: bytes, **note: object) -> None:
    """A download that ended there."""
    (directory / PART).write_bytes(content)
    (directory / f"{PART}.json").write_text(json.dumps(note))


@pytest.mark.parametrize(
    ("content", "note", "starts"),
    [
        (GOOD[:9], {}, [9]),  # without a note, the MD5 tells
        (GOOD[:9], {"size": "x", "validator": 3}, [9]),
        (b"wrong", {"md5": MD5}, [5, None]),
        (b"wrong", {"md5": md5(b"")}, [None]),
        (OTHER[:9], {"md5": md5(OTHER)}, [None]),
        (GOOD + b"x", {"md5": MD5}, [None]),
        (bytes(len(GOOD)), {"md5": MD5}, [None]),
        (GOOD, {"md5": MD5}, []),
        (GOOD[:9], {"md5": MD5, "size": len(GOOD), "validator": '"old"', "url": "URL"}, [9, None]),
        (GOOD[:9], {"md5": MD5, "size": len(GOOD), "validator": '"old"', "url": "another"}, [9]),
    ],
)
def test_what_was_begun_is_used_if_it_fits(
    official: Archive, server: Server, tmp_path: Path, content: bytes, note: dict[str, object], starts: list[int | None]
) -> None:
    begun(tmp_path, content, **{key: official.where if value == "URL" else value for key, value in note.items()})
    assert written(fetch.fetch(tmp_path, QUIET)) == FILES
    assert server.starts == starts


def test_why_it_starts_over_is_said(
    official: Archive, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.serve(GOOD, Answer(cut=20_000), Answer(cut=90_000, etag='"two"'), usual=Answer(etag='"two"'))
    with Progress() as progress:
        assert written(fetch.fetch(tmp_path, progress)) == FILES
    assert "stl10_binary.tar.gz changed on the server while it was read: starting over" in capsys.readouterr().err
    assert server.starts == [None, 20_000, None]
    shutil.rmtree(tmp_path / "stl10_binary")
    begun(tmp_path, bytes(len(GOOD)))
    with Progress() as progress:
        assert written(fetch.fetch(tmp_path, progress)) == FILES
    assert f"expected {len(GOOD):,} bytes with MD5 {MD5}: starting over" in capsys.readouterr().err


@pytest.mark.parametrize("note", ["", "[]", "{", '"x"', "null"])
def test_a_damaged_note_does_no_harm(official: Archive, tmp_path: Path, note: str) -> None:
    begun(tmp_path, GOOD[:9])
    (tmp_path / f"{PART}.json").write_text(note)
    assert written(fetch.fetch(tmp_path, QUIET)) == FILES


def test_a_second_wrong_archive_ends_it(official: Archive, server: Server, tmp_path: Path) -> None:
    wrong = Answer(flip=5)
    server.serve(GOOD, wrong, wrong, usual=wrong)
    begun(tmp_path, GOOD[:9])
    line = refused(tmp_path)
    assert f"holds {len(GOOD):,} bytes with MD5" in line
    assert f"expected {len(GOOD):,} bytes with MD5 {MD5}" in line
    assert server.starts == [9, None]
    assert not left(tmp_path)


def test_a_full_disk_is_found_before_the_download(
    official: Archive, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Usage = namedtuple("Usage", "total used free")
    needed = round(2.2 * len(GOOD))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, needed - 1))
    line = refused(tmp_path)
    assert f"{tmp_path} has 0.5 MB free; 0.5 MB are needed, for the archive's remaining 0.2 MB and its files" in line
    assert "free some space" in line
    assert not server.seen
    refused(tmp_path, official.where, "0" * 32)  # of another archive, only the server knows the size
    assert len(server.seen) == 1
    begun(tmp_path, GOOD[:100_000])
    fetch.fetch(tmp_path, QUIET)  # 100,000 bytes less are needed


def test_a_disk_that_fills_up_while_downloading_is_said_and_continued(
    official: Archive, server: Server, tmp_path: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # writes fail from there on
    try:
        assert f"{tmp_path}: File too large; free some space" in refused(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / PART).read_bytes() == GOOD[:100_000]
    assert written(fetch.fetch(tmp_path, QUIET)) == FILES
    assert server.starts == [None, 100_000]


def test_a_disk_that_fills_up_while_unpacking_is_said_and_continued(
    official: Archive, server: Server, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive_module, "_write", full)
        assert f"{tmp_path}: No space left on device; free some space" in refused(tmp_path)
    assert written(fetch.fetch(tmp_path, QUIET)) == FILES
    assert len(server.seen) == 1


def test_a_file_in_the_way_is_said_in_a_line(official: Archive, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert f"{tmp_path}/file" in refused(tmp_path / "file")


def test_a_read_only_folder_is_said_in_a_line(
    official: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(Path, "mkdir", forbidden)
    assert f"{tmp_path}: Permission denied; free some space or check the permissions" in refused(tmp_path / "x")


def test_an_archive_without_the_files_is_refused(server: Server, tmp_path: Path) -> None:
    content = packed(*entries({"train_X.bin": FILES["train_X.bin"]}))
    line = refused(tmp_path, server.serve(content), md5(content))
    assert "holds no train_y.bin, test_X.bin, test_y.bin, unlabeled_X.bin in stl10_binary/" in line
    assert "127.0.0.1" in line


FAULTS = st.one_of(
    st.builds(Answer, status=st.sampled_from([500, 503, 404, 403, 416])),
    st.builds(
        Answer,
        cut=st.none() | st.integers(0, len(GOOD)),
        reset=st.booleans(),
        etag=st.sampled_from(['"one"', '"two"', 'W/"x"', None]),
        ranges=st.booleans(),
        longer=st.sampled_from([0, 0, 0, 1, -1, 70_000, -70_000]),
        length=st.booleans(),
        shift=st.sampled_from([0, 0, 1]),
        total=st.none() | st.sampled_from([len(GOOD), 5]),
        flip=st.none() | st.integers(0, len(GOOD)),
    ),
    st.builds(Answer, stall=st.integers(0, len(GOOD))),
    st.just(Answer(html=True)),
    st.just(Answer(status=302, headers=(("Location", "/elsewhere"),))),
)


@settings(max_examples=35)
@given(faults=st.lists(FAULTS, max_size=5), known=st.booleans(), tiny=st.booleans())
def test_whatever_the_server_does_the_files_are_right_or_the_next_call_gets_them(
    server: Server, faults: list[Answer], known: bool, tiny: bool
) -> None:
    files_md5 = {name: md5(FILES[name]) for name in OFFICIAL_MD5}
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as place:
        patch.setattr(download, "READ_SECONDS", 0.1)
        url = server.serve(GOOD, *faults)
        if known:
            patch.setattr(fetch, "STL10", Archive(url, MD5, len(GOOD), files_md5))
        directory = Path(place) / "x"
        try:
            if tiny:  # another use of the same server in between
                fetch.fetch_tiny(2, Path(place) / "few.npz", QUIET, source=url)
            folder = fetch.fetch(directory, QUIET, source=url, md5=MD5)
        except NotFitError as error:
            line = str(error)
            assert "\n" not in line
            assert not (directory / "stl10_binary").exists()
            server.plan.clear()
            patch.setattr(download, "READ_SECONDS", 2.0)
            folder = fetch.fetch(directory, QUIET, source=url, md5=MD5)
        assert written(folder) == FILES
        assert left(directory) == ["stl10_binary"]


PROGRAM = """
import sys
from pathlib import Path
from pse_repro.data.fetch import fetch
from pse_repro.progress import Progress
fetch(Path(sys.argv[1]), Progress(quiet=True), source=sys.argv[2], md5=sys.argv[3])
"""


def test_killed_it_continues_and_meanwhile_nobody_else_may(server: Server, tmp_path: Path) -> None:
    content = archive({"train": 30, "test": 10, "unlabeled": 60})
    url = server.serve(content, Answer(pause=0.02))
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path, url, md5(content)])
    grown, deadline = tmp_path / PART, time.monotonic() + 60
    while not (grown.exists() and grown.stat().st_size > 200_000) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    line = refused(tmp_path, url, md5(content))
    assert line == f"another process is getting images into {tmp_path}: wait for it to end"
    process.send_signal(signal.SIGKILL)
    process.wait()
    there = grown.read_bytes()
    assert 200_000 < len(there) < len(content)
    assert content.startswith(there)
    assert written(fetch.fetch(tmp_path, QUIET, source=url, md5=md5(content))) == binaries(
        {"train": 30, "test": 10, "unlabeled": 60}
    )
    assert server.starts == [None, len(there)]
    assert left(tmp_path) == ["stl10_binary"]


def test_the_first_images_are_one_small_file(
    official: Archive, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress() as progress:
        path = fetch.fetch_tiny(2, tmp_path / "new" / "few.npz", progress)
    assert f"read 0.2 of {len(GOOD) / 1e6:.1f} MB of the archive" in capsys.readouterr().err
    small = open_dataset(path)
    for split in ("train", "test", "unlabeled"):
        images = getattr(small, split)
        assert len(images) == 2
        assert FILES[f"{split}_X.bin"].startswith(images.stored_NCWH.tobytes())
        assert images.labels is None or FILES[f"{split}_y.bin"].startswith(images.labels.tobytes())
    content = path.read_bytes()
    again = fetch.fetch_tiny(2, tmp_path / "again.npz", QUIET).read_bytes()
    assert content == again


def test_a_small_file_that_is_there_is_not_got_again(
    official: Archive, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "few.npz"
    fetch.fetch_tiny(1, target, QUIET)
    with Progress() as progress:
        assert fetch.fetch_tiny(1, target, progress) == target
    assert f"there already: {target}" in capsys.readouterr().err
    assert len(server.seen) == 1
    fetch.fetch_tiny(2, target, QUIET)
    assert len(open_dataset(target).test) == 2


def test_a_file_of_another_kind_is_not_replaced(official: Archive, tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", weights=np.ones(3))
    with pytest.raises(NotFitError, match=r"mine.npz is there, and is no file of images .*give another --to"):
        fetch.fetch_tiny(1, tmp_path / "mine.npz", QUIET)
    with pytest.raises(NotFitError, match=r"expected a name that ends in \.npz"):
        fetch.fetch_tiny(1, tmp_path / "few.bin", QUIET)


@pytest.mark.parametrize("count", [0, -1])
def test_no_images_are_refused(official: Archive, server: Server, tmp_path: Path, count: int) -> None:
    with pytest.raises(NotFitError, match=f"{count} images of each split are asked for; expected at least 1"):
        fetch.fetch_tiny(count, tmp_path / "few.npz", QUIET)
    assert not server.seen


def test_more_images_than_there_are_are_refused(official: Archive, tmp_path: Path) -> None:
    with pytest.raises(NotFitError, match=r"holds . images; expected at least 4: ask for fewer"):
        fetch.fetch_tiny(4, tmp_path / "few.npz", QUIET)
    assert not (tmp_path / "few.npz").exists()


def test_official_labels_are_proven_and_those_of_a_source_are_not(
    official: Archive, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Archive(official.where, MD5, len(GOOD), {"test_y.bin": "0" * 32})
    monkeypatch.setattr(fetch, "STL10", other)
    with pytest.raises(NotFitError, match=r"test_y\.bin in .* has MD5 .*; expected 000"):
        fetch.fetch_tiny(1, tmp_path / "few.npz", QUIET)
    fetch.fetch_tiny(1, tmp_path / "few.npz", QUIET, source=official.where)


def test_the_small_file_comes_from_a_local_archive_too(server: Server, tmp_path: Path) -> None:
    (tmp_path / "mine.tgz").write_bytes(OTHER)
    path = fetch.fetch_tiny(2, tmp_path / "few.npz", QUIET, source=str(tmp_path / "mine.tgz"))
    assert binaries(seed=1)["test_X.bin"].startswith(open_dataset(path).test.stored_NCWH.tobytes())
    with pytest.raises(NotFitError, match="nowhere is no file"):
        fetch.fetch_tiny(1, tmp_path / "other.npz", QUIET, source=str(tmp_path / "nowhere"))


@pytest.mark.parametrize("usual", [Answer(cut=20_000), Answer(cut=20_000, reset=True)])
def test_the_stream_of_images_survives_broken_connections(server: Server, tmp_path: Path, usual: Answer) -> None:
    url = server.serve(GOOD, usual=usual)
    path = fetch.fetch_tiny(2, tmp_path / "few.npz", QUIET, source=url)
    assert FILES["unlabeled_X.bin"].startswith(open_dataset(path).unlabeled.stored_NCWH.tobytes())
    starts = [start or 0 for start in server.starts]
    assert len(starts) > 8
    assert starts == sorted(set(starts))


@pytest.mark.parametrize(
    ("content", "answer", "said"),
    [
        (GOOD, Answer(html=True), "answered with a web page, not an archive"),
        (b"<html>log in</html>", Answer(), "it looks like a web page; expected a .tar.gz"),
        (GOOD[:90_000], Answer(), "is not STL-10's archive, or is damaged"),
        (b"", Answer(), "is not STL-10's archive, or is damaged"),
    ],
)
def test_what_is_no_archive_is_refused(
    server: Server, tmp_path: Path, content: bytes, answer: Answer, said: str
) -> None:
    url = server.serve(content, usual=answer)
    with pytest.raises(NotFitError) as caught:
        fetch.fetch_tiny(1, tmp_path / "few.npz", QUIET, source=url)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
