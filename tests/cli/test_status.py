"""The commands export and status."""

import json
import tarfile
import threading
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from pse_repro.commands import status as commands
from pse_repro.study import prepare, store
from pse_repro.study.archive import open_run_or_archive
from tests.cli.conftest import Run
from tests.support.finished_run import forget
from tests.support.stored_run import store_run, study

SCHEMA = json.loads((files("pse_repro") / "schemas" / "status.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    directory = tmp_path / "runs" / "tiny"
    store_run(directory, study(), data={"name": "photos", "md5": {}})
    return directory


def test_the_newest_run_is_exported_beside_itself(run: Run, stored: Path) -> None:
    status, out, err = run("export")
    archive = stored.with_name("tiny.tar.gz")
    assert (status, out, err) == (0, f"{archive}\n", "")
    with open_run_or_archive(archive) as found:
        assert json.loads((found.directory / "comparison.json").read_text())["expected"]["name"] == "slides"
        assert (found.directory / "comparison.md").read_text().startswith("| model")
        readme = (found.directory / "README.txt").read_text()
    assert "pse-repro run tiny.toml --protocol as-released" in readme
    assert "weights" not in readme


@pytest.mark.parametrize("out", ["elsewhere.zip", "new/elsewhere.tgz"])
def test_an_export_goes_where_it_is_wanted(run: Run, stored: Path, tmp_path: Path, out: str) -> None:
    assert run("export", stored, "--out", out, "--weights")[:2] == (0, f"{out}\n")
    with open_run_or_archive(tmp_path / out) as found:
        assert "the autoencoders' weights" in (found.directory / "README.txt").read_text()


def test_into_a_folder_it_goes_under_the_run_s_name(run: Run, stored: Path, tmp_path: Path) -> None:
    assert run("export", stored, "--out", tmp_path)[1] == f"{tmp_path / 'tiny.tar.gz'}\n"
    assert tarfile.is_tarfile(tmp_path / "tiny.tar.gz")


def test_a_run_without_results_and_a_wrong_name_are_refused_in_one_line(run: Run, stored: Path) -> None:
    status, _, err = run("export", stored, "--out", "x.rar")
    assert (status, err.count("\n")) == (2, 1)
    forget(stored / "results.csv")
    status, _, err = run("export", stored)
    assert status == 2
    assert "has no results yet" in err


@pytest.mark.parametrize("busy", [False, True])
def test_status_for_people_and_for_programs(run: Run, stored: Path, busy: bool) -> None:
    if busy:
        forget(next(stored.glob("cells/*/cnn-pse-3-seed0/provenance.json")))
        with prepare.locked(stored):
            (_, table, _), (status, out, err) = run("status"), run("status", stored, "--format", "json")
    else:
        (_, table, _), (status, out, err) = run("status"), run("status", stored, "--format", "json")
    assert (status, err) == (0, "")
    document = json.loads(out)
    jsonschema.validate(document, SCHEMA)
    assert document["state"] == ("running" if busy else "complete")
    assert [each["phase"] for each in document["working"]] == (["finish"] if busy else [])
    assert f"state    {document['state']}" in table


def test_watch_ends_with_the_run(run: Run, stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three reads, a process holds the run in the first two."""
    monkeypatch.setattr(commands, "REFRESH_SECONDS", 0.01)
    looks = iter((True, True, False))
    monkeypatch.setattr("pse_repro.study.status.is_held", lambda _: next(looks))
    status, out, err = run("status", stored, "--watch")
    assert (status, err) == (0, "")
    assert "complete; no process holds it" in out
    assert next(looks, None) is None


def test_ctrl_c_ends_the_watching_and_nothing_else(run: Run, stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pse_repro.study.status.is_held", lambda _: True)
    monkeypatch.setattr("time.sleep", interrupted)
    status, out, err = run("status", stored, "--watch")
    assert (status, err) == (0, "")
    assert "running since" in out


def test_watch_is_not_for_programs(run: Run, stored: Path) -> None:
    status, _, err = run("status", stored, "--watch", "--format", "json")
    assert (status, err.count("\n")) == (2, 1)


def test_status_while_files_come_and_go(run: Run, stored: Path) -> None:
    """A thread writes and removes a state all the time; every status is consistent."""
    path = next(stored.glob("models/*pse*")) / "state.safetensors"
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            store.write_tensors(path, {}, {"best_epoch": 0, "curves": [{"seconds": 1.0}]})
            store.remove(path)

    forget(path.with_name("pretrain.json"))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = {commands.status(stored, "table") for _ in range(20)}
    finally:
        ended.set()
        writer.join()
    assert all("1 done, 0 failed, 1 to go" in text for text in found)
