"""The results archive: round trip of a run, reproducible bytes, and refusal of unsafe archives."""

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

from pse_repro.commands import results as commands
from pse_repro.errors import NotFitError, UsageError
from pse_repro.study import store
from pse_repro.study.archive import SUMS, is_archive, open_run_or_archive, write_archive
from tests.support.stored_run import record, store_run, study

DOCUMENTS = {"README.txt": "what it is\n"}
FORMATS = pytest.mark.parametrize("suffix", [".tar.gz", ".tgz", ".zip"])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Store a run with weights, and with foreign files."""
    directory = tmp_path / "runs" / "tiny"
    store_run(directory, study())
    model = next(directory.glob("models/*"))
    (model / ".curves.csv.7.part").touch()
    for name in ("checkpoint.safetensors", "state.safetensors"):
        store.write_bytes(model / name, b"w")
    for name in (".lock", "notes.txt"):
        (directory / name).write_text(name)
    store.write_bytes(directory / "report.html", b"report")
    return directory


def contents(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def packed(suffix: str, members: dict[str, bytes]) -> bytes:
    """Return an archive as an attacker may make one."""
    buffer = io.BytesIO()
    if suffix == ".zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def summed(members: dict[str, bytes], top: str = "x") -> dict[str, bytes]:
    """Return the members in a folder, with their checksums."""
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in members.items())
    return {f"{top}/{name}": content for name, content in (members | {SUMS: sums.encode()}).items()}


def refusal(path: Path) -> str:
    with pytest.raises(NotFitError) as caught, open_run_or_archive(path):
        pass
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


@FORMATS
@pytest.mark.parametrize("weights", [False, True])
def test_a_run_comes_back_with_its_own_files_alone(run: Path, tmp_path: Path, suffix: str, weights: bool) -> None:
    archive = write_archive(run, tmp_path / f"out{suffix}", DOCUMENTS, weights)
    with open_run_or_archive(archive) as found:
        assert found.directory.name == "tiny"
        came = contents(found.directory)
    foreign = (".lock", ".part", "notes.txt")
    own = {name: content for name, content in contents(run).items() if not name.endswith(foreign)}
    if not weights:
        own = {name: content for name, content in own.items() if not name.endswith(".safetensors")}
    sums = came.pop(SUMS).decode()
    assert came == own | {"README.txt": b"what it is\n"}
    assert sums == "".join(f"{hashlib.sha256(came[name]).hexdigest()}  {name}\n" for name in sorted(came))
    assert not found.directory.exists()  # the context has ended


@FORMATS
def test_two_exports_of_one_run_are_identical(run: Path, tmp_path: Path, suffix: str) -> None:
    first = write_archive(run, tmp_path / f"first{suffix}", DOCUMENTS).read_bytes()
    for number, path in enumerate(run.rglob("*")):
        os.utime(path, (number, number))
        path.chmod(0o700)
    assert write_archive(run, tmp_path / f"second{suffix}", DOCUMENTS).read_bytes() == first


@FORMATS
def test_an_archive_is_compared_as_its_run_is_with_claims_and_all(tmp_path: Path, suffix: str) -> None:
    directory = tmp_path / "tiny"
    store_run(directory, study(), seeds=2, data={"name": "photos", "md5": {}})
    with open_run_or_archive(write_archive(directory, tmp_path / f"out{suffix}", {})) as found:
        ours = commands.compare(found.directory, None, "json", strict=False, junit=None)
        effects = commands.explain(found.directory, "json")
    assert ours == commands.compare(directory, None, "json", strict=False, junit=None)
    assert '"claims": [' in ours[0]
    assert effects == commands.explain(directory, "json")


def test_other_tools_read_it(run: Path, tmp_path: Path) -> None:
    with tarfile.open(write_archive(run, tmp_path / "out.tar.gz", DOCUMENTS)) as tar:
        members = tar.getmembers()
    with zipfile.ZipFile(write_archive(run, tmp_path / "out.zip", DOCUMENTS)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [member.name for member in members]
    facts = {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in members}
    assert facts == {(0, 0, 0, "", 0o644)}


def test_directories_and_tables_are_what_they_are(run: Path) -> None:
    for path in (run, run / "results.csv", run / "nothing-there"):
        assert not is_archive(path)


def test_an_archive_is_known_whatever_it_is_called(run: Path, tmp_path: Path) -> None:
    for suffix in (".tar.gz", ".zip"):
        renamed = write_archive(run, tmp_path / f"out{suffix}", {}).rename(tmp_path / "results")
        with open_run_or_archive(renamed) as found:
            assert found.run_files.record.is_file()


def test_a_file_that_vanishes_meanwhile_is_left_out(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.study.archive._files", lambda *_: ["run.json", "models/x/state.safetensors"])
    with open_run_or_archive(write_archive(run, tmp_path / "out.zip", {}, weights=True)) as found:
        assert set(contents(found.directory)) == {"run.json", SUMS}


@FORMATS
def test_it_is_written_whole_or_not_at_all(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    target = tmp_path / "out" / f"x{suffix}"
    write_archive(run, target, {})
    before = target.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*x\."):
        write_archive(run, target, DOCUMENTS)
    assert contents(target.parent) == {target.name: before}


def test_other_suffixes_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x.rar is neither .tar.gz nor .zip"):
        write_archive(run, tmp_path / "x.rar", {})


OUTSIDE = ["../out", "x/../../out", "/tmp/out", "x//out", "x/./out", "x/a\nb", "x\\out", "x/" + "y" * 300]


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_paths_that_lead_elsewhere_are_refused(tmp_path: Path, suffix: str, name: str) -> None:
    path = tmp_path / f"evil{suffix}"
    path.write_bytes(packed(suffix, {name: b"evil"} | summed({"run.json": b"{}"})))
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
    path.write_bytes(packed(suffix, members))
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
    path.write_bytes(packed(suffix, summed(GOOD | {"results.csv": bytes(30_000_000)})))
    assert "it unpacks to over 100 times its size" in refusal(path)


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_more_files_than_a_run_has_are_refused(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.study.archive._MAX_MEMBERS", 9)
    path = tmp_path / f"many{suffix}"
    path.write_bytes(packed(suffix, summed(GOOD | {f"cells/{number}.json": b"" for number in range(9)})))
    assert "it has more than 9 members" in refusal(path)


def test_a_header_that_claims_much_is_not_believed(tmp_path: Path) -> None:
    """The tar header states the length of a long name, which is read before the member is seen."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 8 << 30
    path = tmp_path / "long.tar.gz"
    path.write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(40_000_000)))
    refusal(path)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\x1f\x8b", b"<html>", gzip.compress(b"not a tar" * 99, mtime=0)]
)
@FORMATS
def test_what_is_no_archive_is_refused_in_one_line(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    assert "is not a valid results archive" in refusal(path)


FILES = GOOD | {f"cells/{number}.json": hashlib.sha512(bytes([number])).digest() for number in range(3)}
WHOLE = {suffix: packed(suffix, summed(FILES)) for suffix in (".tar.gz", ".zip")}


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


def test_a_full_disk_is_not_taken_for_a_damaged_archive(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = write_archive(run, tmp_path / "out.zip", {})

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pse_repro.study.archive._write", full)
    with pytest.raises(OSError, match="No space left on device"), open_run_or_archive(archive):
        pass
