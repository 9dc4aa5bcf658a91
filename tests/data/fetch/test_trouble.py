"""Full disks, files in the way, bad servers: a one-line error, after which the next call succeeds."""

import resource
import shutil
import tempfile
from collections import namedtuple
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pse_repro.data.fetch import archive as archive_module
from pse_repro.data.fetch import get, stream
from pse_repro.data.fetch.archive import Archive
from pse_repro.data.stl10 import OFFICIAL_MD5
from pse_repro.errors import NotFitError
from tests.support.getting import FILES, GOOD, MD5, PART, QUIET, begun, left, refused, written
from tests.support.server import Answer, Server, md5


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
    refused(tmp_path, official.where, "0" * 32)  # for another archive, the size comes from the server
    assert len(server.seen) == 1
    begun(tmp_path, GOOD[:100_000])
    get.fetch(tmp_path, QUIET)  # 100,000 bytes less are needed


def test_a_disk_that_fills_up_while_downloading_is_said_and_continued(
    official: Archive, server: Server, tmp_path: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # writes fail from there on
    try:
        assert f"{tmp_path}: File too large; this disk, or ulimit -f," in refused(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / PART).read_bytes() == GOOD[:100_000]
    assert written(get.fetch(tmp_path, QUIET)) == FILES
    assert server.starts == [None, 100_000]


def test_a_disk_that_fills_up_while_unpacking_is_said_and_continued(
    official: Archive, server: Server, tmp_path: Path
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive_module, "_write", full)
        assert f"{tmp_path}: No space left on device; free some space" in refused(tmp_path)
    assert written(get.fetch(tmp_path, QUIET)) == FILES
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
    assert f"{tmp_path}: Permission denied; get permission" in refused(tmp_path / "x")


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
        patch.setattr(stream, "READ_SECONDS", 0.1)
        url = server.serve(GOOD, *faults)
        if known:
            patch.setattr(get, "STL10", Archive(url, MD5, len(GOOD), files_md5))
        directory = Path(place) / "x"
        try:
            if tiny:  # a different request to the same server
                get.fetch_tiny(2, Path(place) / "few.npz", QUIET, source=url)
            folder = get.fetch(directory, QUIET, source=url, md5=MD5)
        except NotFitError as error:
            line = str(error)
            assert "\n" not in line
            assert not (directory / "stl10_binary").exists()
            server.plan.clear()
            patch.setattr(stream, "READ_SECONDS", 2.0)
            folder = get.fetch(directory, QUIET, source=url, md5=MD5)
        assert written(folder) == FILES
        assert left(directory) == ["stl10_binary"]
