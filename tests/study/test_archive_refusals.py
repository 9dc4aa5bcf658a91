"""Unsafe and damaged archives of results are refused in one line, before anything of them is used."""

import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pse_repro.errors import NotFitError
from pse_repro.study.archive import SUMS, open_run_or_archive
from tests.support.archives import FORMATS, contents, members_of, packed, summed
from tests.support.stored_run import record, study


def refusal(path: Path) -> str:
    with pytest.raises(NotFitError) as caught, open_run_or_archive(path):
        pass
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


OUTSIDE = ["../out", "x/../../out", "/tmp/out", "x//out", "x/./out", "x/a\nb", "x\\out", "x/" + "y" * 300]


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_paths_that_lead_elsewhere_are_refused(tmp_path: Path, suffix: str, name: str) -> None:
    path = tmp_path / f"evil{suffix}"
    path.write_bytes(packed(suffix, members_of({name: b"evil"} | summed({"run.json": b"{}"}))))
    assert "leads elsewhere" in refusal(path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    path, buffer = tmp_path / "evil.tar.gz", io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("x/run.json")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    path.write_bytes(buffer.getvalue())
    assert "'x/run.json' is a link, a device or the like" in refusal(path)


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("x/run.json")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert "is a link" in refusal(path)


GOOD = {"run.json": json.dumps(record(study(), {"name": "photos"})).encode(), "results.csv": b"value\n"}
WRONG: dict[str, tuple[dict[str, bytes], str]] = {
    "unlisted": (summed(GOOD) | {"x/more.csv": b""}, "'more.csv' is not listed in SHA256SUMS"),
    "missing": (summed(GOOD | {"b.csv": b""}), "'b.csv' is listed in SHA256SUMS but missing"),
    "altered": (summed(GOOD) | {"x/results.csv": b"other"}, "'results.csv' has another SHA-256"),
    "no sums": ({"x/run.json": b"{}"}, "expected one folder with run.json and SHA256SUMS"),
    "no run": (summed({"results.csv": b""}), "expected one folder with run.json and SHA256SUMS"),
    "two folders": (summed(GOOD) | summed(GOOD, "y"), "expected one folder"),
    "no folder": (GOOD, "expected one folder"),
    "empty": ({}, "expected one folder"),
    "a file for a folder": (summed(GOOD) | {"x/run.json/y": b""}, "'x/run.json/y' is in it twice"),
    "sums that are none": (summed(GOOD) | {f"x/{SUMS}": b"\xff\n\n"}, "SHA256SUMS"),
}


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
@pytest.mark.parametrize("case", WRONG)
def test_what_the_sums_do_not_say_is_refused(tmp_path: Path, suffix: str, case: str) -> None:
    members, said = WRONG[case]
    members = {name: content for name, content in members.items() if name != "x/b.csv"}
    path = tmp_path / f"wrong{suffix}"
    path.write_bytes(packed(suffix, members_of(members)))
    assert said in refusal(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/run.json", "{}")
        archive.writestr("x/run.json", "[]")
    assert "'x/run.json' is in it twice" in refusal(path)


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_a_small_file_that_unpacks_to_a_large_one_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bomb{suffix}"
    path.write_bytes(packed(suffix, members_of(summed(GOOD | {"results.csv": bytes(30_000_000)}))))
    assert "it unpacks to over 100 times its size" in refusal(path)


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_more_files_than_a_run_has_are_refused(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.study.archive._MAX_MEMBERS", 9)
    path = tmp_path / f"many{suffix}"
    path.write_bytes(packed(suffix, members_of(summed(GOOD | {f"cells/{number}.json": b"" for number in range(9)}))))
    assert "it has more than 9 members" in refusal(path)


def test_a_header_that_claims_much_is_not_believed(tmp_path: Path) -> None:
    """The tar header states the length of a long name, which is read before the member is seen."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    path = tmp_path / "long.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(40_000_000)))
    refusal(path)


@pytest.mark.parametrize("more", [b"\0", b"more"])
def test_what_follows_the_end_of_a_gzip_file_is_not_read(tmp_path: Path, more: bytes) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(packed(".tar.gz", members_of(summed(GOOD))) + more)
    os.truncate(path, 2**40)  # a hole, which takes no place on the disk
    assert "something follows its end" in refusal(path)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\x1f\x8b", b"<html>", gzip.compress(b"not a tar" * 99, mtime=0)]
)
@FORMATS
def test_what_is_no_archive_is_refused_in_one_line(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    assert "is not a valid results archive" in refusal(path)


FILES = GOOD | {f"cells/{number}.json": hashlib.sha512(bytes([number])).digest() for number in range(3)}
WHOLE = {suffix: packed(suffix, members_of(summed(FILES))) for suffix in (".tar.gz", ".zip")}


@settings(max_examples=150)
@given(suffix=st.sampled_from(list(WHOLE)), where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 8))
def test_damage_anywhere_is_refused_or_harmless(suffix: str, where: float, bit: int) -> None:
    """A flipped bit, or (bit 8) a missing end, gives a one-line error or exactly the files that were packed."""
    content = bytearray(WHOLE[suffix])
    at = int(where * len(content))
    if bit == 8:
        del content[at:]
    else:
        content[at] ^= 1 << bit
    said = ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        path.write_bytes(content)
        try:
            with open_run_or_archive(path) as found:
                del (came := contents(found.directory))[SUMS]
                assert came == FILES
        except NotFitError as error:
            said = str(error)
    assert "\n" not in said
