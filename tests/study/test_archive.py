"""The results archive: round trip of a run, reproducible bytes, whole or not at all."""

import hashlib
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from pse_repro.commands import results as commands
from pse_repro.errors import UsageError
from pse_repro.study import store
from pse_repro.study.archive import SUMS, is_archive, open_run_or_archive, write_archive
from tests.support.archives import FORMATS, contents
from tests.support.stored_run import store_run, study

DOCUMENTS = {"README.txt": "what it is\n"}


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


def test_a_full_disk_is_not_taken_for_a_damaged_archive(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = write_archive(run, tmp_path / "out.zip", {})

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pse_repro.study.archive._write", full)
    with pytest.raises(OSError, match="No space left on device"), open_run_or_archive(archive):
        pass
