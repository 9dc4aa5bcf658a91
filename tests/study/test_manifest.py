"""Manifests record what a run wrote, survive kills at any instant, and show every later change."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.errors import NotFitError, UsageError
from pse_repro.study import manifest, store
from pse_repro.study.faults import find_faults, set_aside
from pse_repro.study.manifest import (
    Content,
    adopt,
    is_recorded,
    read_manifest,
    remove_partial_line,
    rewrite,
)
from pse_repro.study.prepare import is_run, restore_record
from pse_repro.study.store import read_proven

FOLD = "models/cnn-mse-seed0-12345678/frozen-87654321/fold-1.npz"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run with one file of each manifest."""
    directory = tmp_path / "run"
    store.write_json(directory / "run.json", {"study": {}})
    store.write_npz(directory / FOLD, probabilities=np.eye(3))
    store.write_json(directory / "cells/as-released/cnn-mse-seed0/provenance.json", {"seed": 0})
    store.write_bytes(directory / "results.csv", b"a,b\n1,2\n")
    return directory


def test_every_file_is_listed_in_the_manifest_of_its_folder(run: Path) -> None:
    folders = (".", "models/cnn-mse-seed0-12345678", "cells/as-released/cnn-mse-seed0")
    assert {folder: list(read_manifest(run, run / folder).files) for folder in folders} == {
        ".": ["run.json", "results.csv"],
        "models/cnn-mse-seed0-12345678": ["frozen-87654321/fold-1.npz"],
        "cells/as-released/cnn-mse-seed0": ["provenance.json"],
    }
    assert not find_faults(run)


def test_only_lines_are_appended(run: Path) -> None:
    before = (run / "manifest.jsonl").read_bytes()
    store.write_bytes(run / "results.csv", b"a,b\n1,3\n")
    after = (run / "manifest.jsonl").read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == before.count(b"\n") + 2
    assert read_proven(run / "results.csv") == b"a,b\n1,3\n"


@pytest.mark.parametrize("kept", ["the earlier content", "the new content", "nothing"])
def test_a_process_killed_while_it_writes_leaves_no_fault(run: Path, kept: str) -> None:
    path = run / ("cells/as-released/cnn-mse-seed0/failed.json" if kept == "nothing" else "results.csv")
    with suppress(KeyboardInterrupt), manifest.recording(path, b"new"):
        if kept == "the new content":
            path.write_bytes(b"new")
        raise KeyboardInterrupt
    assert not find_faults(run)
    if kept != "nothing":
        assert read_proven(path) == (b"new" if kept == "the new content" else b"a,b\n1,2\n")
    store.write_bytes(path, b"newest")
    assert read_proven(path) == b"newest"
    assert not find_faults(run)


def test_a_removed_file_may_be_there_or_not(run: Path) -> None:
    path = run / FOLD
    manifest.record_removal(path)  # killed before the file is deleted
    assert not find_faults(run)
    store.remove(path)
    assert not path.exists()
    assert not find_faults(run)


def test_a_line_that_a_power_failure_cut_short_is_removed(run: Path) -> None:
    path = run / "manifest.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"name": "results.c')
    assert [str(fault) for fault in find_faults(run)] == ["manifest.jsonl: altered"]
    remove_partial_line(run)
    assert path.read_bytes() == whole
    assert not find_faults(run)


def test_a_folder_from_another_run_or_place_is_refused(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    store.write_json(other / "run.json", {"study": {"other": 1}})
    store.write_npz(other / FOLD, probabilities=np.eye(3))
    os.rename(run / "models", tmp_path / "models")
    os.rename(other / "models", run / "models")
    with pytest.raises(NotFitError, match="belongs to another run or folder"):
        store.read_npz(run / FOLD)
    assert [fault.what for fault in find_faults(run)] == ["not written by this run"]


def test_an_exchanged_file_is_refused_even_if_the_manifest_was_made_to_fit(run: Path) -> None:
    second = run / FOLD.replace("fold-1", "fold-2")
    store.write_npz(second, probabilities=np.ones((3, 3)))
    content = (run / FOLD).read_bytes()
    store.write_bytes(second, content)  # recorded, but it belongs to fold 1
    with pytest.raises(NotFitError, match=r"belongs to models/cnn-mse-seed0-12345678/frozen-87654321/fold-1\.npz"):
        store.read_npz(second)


def test_files_of_a_run_from_before_there_were_manifests_are_adopted(tmp_path: Path) -> None:
    (tmp_path / "models/a-seed0-12345678").mkdir(parents=True)
    for name in ("run.json", "models/a-seed0-12345678/pretrain.json"):
        (tmp_path / name).write_text("{}")
    assert not is_recorded(tmp_path)
    assert store.read_json(tmp_path / "run.json") == {}
    store.write_bytes(tmp_path / "report.md", b"x")  # by a command that reads: it makes no manifest
    assert not is_recorded(tmp_path)
    adopt(tmp_path, [tmp_path / "run.json", tmp_path / "report.md", tmp_path / "models/a-seed0-12345678/pretrain.json"])
    assert is_recorded(tmp_path)
    assert not find_faults(tmp_path)
    assert read_manifest(tmp_path, tmp_path).files["report.md"].adopted
    (tmp_path / "report.md").write_text("y")
    assert [str(fault) for fault in find_faults(tmp_path)] == ["report.md: altered"]


@given(data=st.data())
def test_every_flipped_bit_of_a_manifest_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("flipped")
    store.write_json(directory / "run.json", {"study": {}})
    store.write_bytes(directory / "results.csv", b"a,b\n1,2\n")
    store.write_json(directory / "models/a-seed0-12345678/pretrain.json", {})
    path = data.draw(st.sampled_from([directory, directory / "models/a-seed0-12345678"])) / "manifest.jsonl"
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    assert find_faults(directory)


def test_a_damaged_line_costs_its_file_alone(run: Path) -> None:
    path = run / "manifest.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = next(number for number, line in enumerate(lines) if b"results.csv" in line and b"sha256" in line)
    lines[damaged] = lines[damaged].replace(b'"sha256"', b'"sha257"')
    path.write_bytes(b"".join(lines))
    assert [str(fault) for fault in find_faults(run)] == [
        "manifest.jsonl: altered",
        "results.csv: not written by this run",
    ]
    rewrite(run, run)
    assert [str(fault) for fault in find_faults(run)] == ["results.csv: not written by this run"]


@pytest.mark.parametrize("kind", ["a named pipe", "a folder", "a link"])
def test_what_is_no_regular_file_is_refused_at_once(run: Path, kind: str) -> None:
    path = run / "results.csv"
    os.rename(path, run / "elsewhere")
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to(run / "elsewhere")
    assert [str(fault) for fault in find_faults(run)] == ["results.csv: altered"]
    if kind != "a link":
        with pytest.raises(NotFitError, match=f"it is {kind}; expected a regular file"):
            store.read_bytes(path)


@pytest.mark.parametrize("place", ["models", "models/cnn-mse-seed0-12345678", FOLD.rpartition("/")[0], "cells"])
def test_a_folder_that_is_a_link_is_a_fault_and_a_repair_moves_the_link(run: Path, tmp_path: Path, place: str) -> None:
    os.rename(run / place, tmp_path / "elsewhere")
    (run / place).symlink_to(tmp_path / "elsewhere")
    before = sorted((path, path.read_bytes()) for path in (tmp_path / "elsewhere").rglob("*") if path.is_file())
    faults = find_faults(run)
    assert faults
    assert all(fault.name.startswith(place) for fault in faults)
    set_aside(run, faults)
    assert not find_faults(run)
    assert not (run / place).is_symlink()
    assert sorted((path, path.read_bytes()) for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()) == before


def test_a_file_in_the_place_of_a_folder_is_moved(run: Path) -> None:
    shutil.rmtree(run / "models")
    (run / "models").write_text("no folder")
    set_aside(run, find_faults(run))
    assert not find_faults(run)
    assert [path.read_text() for path in run.glob("set-aside/*/models")] == ["no folder"]


def test_nothing_is_set_aside_through_a_link(run: Path, tmp_path: Path) -> None:
    (run / "set-aside").symlink_to(tmp_path)
    (run / "results.csv").write_text("altered")
    with pytest.raises(UsageError, match="set-aside is a link"):
        set_aside(run, find_faults(run))


def test_a_run_whose_manifest_was_deleted_is_not_taken_for_an_old_one(run: Path) -> None:
    (run / "manifest.jsonl").unlink()
    assert [str(fault) for fault in find_faults(run)] == ["manifest.jsonl: deleted"]


@pytest.mark.parametrize("kind", ["deleted", "emptied", "a link", "a named pipe", "a folder"])
def test_a_lost_manifest_begins_anew_with_its_record(run: Path, tmp_path: Path, kind: str) -> None:
    path, settings = run / "manifest.jsonl", {"study": {}}
    os.rename(path, tmp_path / "manifest")
    make = {"a link": lambda: path.symlink_to(tmp_path / "manifest"), "a named pipe": lambda: os.mkfifo(path)}
    make |= {"emptied": path.touch, "a folder": path.mkdir, "deleted": lambda: None}
    make[kind]()
    assert is_run(run)
    restore_record(run, settings)
    set_aside(run, find_faults(run))
    assert not find_faults(run)
    assert store.read_json(run / "run.json") == settings
    assert (run / FOLD).exists()


def test_nothing_is_written_through_a_link(run: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (run / "figures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="figures is a link"):
        store.write_bytes(run / "figures" / "a.svg", b"x")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_file_larger_than_recorded_is_not_read_whole(run: Path) -> None:
    path = run / "results.csv"
    with path.open("r+b") as file:
        file.truncate(2**40)  # sparse
    with pytest.raises(NotFitError, match="is not the file that was written"):
        store.read_bytes(path)


def test_a_content_is_its_length_and_sha256() -> None:
    assert Content.of(b"abc") == Content(3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
