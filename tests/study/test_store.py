"""The run store: complete files, altered files, foreign and locked directories."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from pse_repro.errors import NotFitError, UsageError
from pse_repro.study import prepare, store
from pse_repro.study.records import Failure


def empty_folder(path: Path) -> Path:
    """Make a folder at `path`."""
    path.mkdir()
    return path


def test_tensors_and_their_note_come_back_bit_for_bit(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.safetensors"
    tensors = {"a/b": torch.randn(3, 4), "steps": torch.tensor(7.0)}
    sha256 = store.write_tensors(path, tensors, {"epoch": 3, "loss": 0.1 + 0.2})
    found, note = store.read_tensors(path, sha256)
    assert {name: value.tolist() for name, value in found.items()} == {n: v.tolist() for n, v in tensors.items()}
    assert note == {"epoch": 3, "loss": 0.1 + 0.2}


def test_an_altered_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    sha256 = store.write_tensors(path, {"a": torch.zeros(100)})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(NotFitError, match="SHA-256 differs"):
        store.read_tensors(path, sha256)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\x80\x04not a checkpoint", b"\xff" * 64, b"\x02\x00\x00\x00\x00\x00\x00\x00{}"[:9]]
)
def test_what_is_not_safetensors_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(NotFitError) as caught:
        store.read_tensors(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_pickle_inside_an_npz_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, harmful=np.array([print], dtype=object))
    with pytest.raises(NotFitError, match="is not an NPZ file of this kit"):
        store.read_npz(path)


def test_npz_round_trip(tmp_path: Path) -> None:
    store.write_npz(tmp_path / "x.npz", a=np.arange(3), b=np.eye(2))
    found = store.read_npz(tmp_path / "x.npz")
    np.testing.assert_array_equal(found["b"], np.eye(2))


def test_a_failed_write_leaves_what_was_there_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    store.write_json(path, {"a": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*x.json'"):
        store.write_json(path, {"a": 2})
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]
    assert store.read_json(path) == {"a": 1}


@pytest.mark.parametrize(
    "content",
    ["", "null", "[]", "7", '"x"', "[" * 100_000, '{"error": null}', '{"error": [1]}', '{"error": 1e999}', "9" * 5000],
)
def test_a_record_is_absent_or_what_the_kit_writes(tmp_path: Path, content: str) -> None:
    path = tmp_path / "failed.json"
    assert store.find_record(path, Failure) is None
    store.write_json(path, {"error": "diverged", "more": 1})
    assert store.read_record(path, Failure).error == "diverged"
    path.write_text(content)
    with pytest.raises(NotFitError, match=r"failed.json is not what this kit writes: .*") as caught:
        store.find_record(path, Failure)
    assert "\n" not in str(caught.value)


def test_a_run_of_other_settings_is_refused_by_the_name_of_the_setting(tmp_path: Path) -> None:
    settings = {"precision": "fp32", "protocols": [{"name": "a"}], "study": {"folds": 5, "epochs": 2}}
    prepare.prepare_run(tmp_path, settings, fresh=False)
    prepare.prepare_run(tmp_path, settings, fresh=False)  # the same settings: resumes
    with pytest.raises(UsageError, match=r"study.folds = 5, but now it is 2"):
        prepare.prepare_run(tmp_path, settings | {"study": {"folds": 2, "epochs": 2}}, fresh=False)
    assert json.loads((tmp_path / "run.json").read_text()) == settings


def test_a_run_of_a_version_without_a_key_resumes_if_the_key_is_not_used(tmp_path: Path) -> None:
    before = {"study": {"models": [{"objective": "mse"}, {"objective": "pse", "sigma": 3}]}}
    prepare.prepare_run(tmp_path, before, fresh=False)
    models = [model | {"learning_rate": None} for model in before["study"]["models"]]
    prepare.prepare_run(tmp_path, {"study": {"models": models}}, fresh=False)
    models[1] |= {"learning_rate": 0.5}
    with pytest.raises(UsageError, match=r"study.models.2.learning_rate = None, but now it is 0.5"):
        prepare.prepare_run(tmp_path, {"study": {"models": models}}, fresh=False)
    with pytest.raises(UsageError, match=r"study.models = \["):
        prepare.prepare_run(tmp_path, {"study": {"models": models[:1]}}, fresh=False)


def test_evaluations_may_be_added_to_a_run_and_what_shapes_it_may_not_change(tmp_path: Path) -> None:
    settings = {"precision": "fp32", "study": {"folds": 5, "evaluations": ["frozen"]}}
    more = {"precision": "fp32", "study": {"folds": 5, "evaluations": ["frozen", "knn"]}}
    prepare.prepare_run(tmp_path, settings, fresh=False)
    prepare.prepare_run(tmp_path, more, fresh=False)
    assert store.read_json(tmp_path / "run.json") == more
    with pytest.raises(UsageError, match=r"study.folds = 5, but now it is 1"):
        prepare.prepare_run(tmp_path, {"precision": "fp32", "study": {"folds": 1, "evaluations": ["knn"]}}, fresh=False)
    assert store.read_json(tmp_path / "run.json") == more


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    half = tmp_path / "cells" / "a" / "x" / ".failed.json.123.part"
    half.parent.mkdir(parents=True)
    store.write_json(tmp_path / "run.json", {"study": {"folds": 5}})
    half.write_bytes(b"half")
    prepare.prepare_run(tmp_path, {"study": {"folds": 5}}, fresh=False)
    assert not half.exists()


def test_what_others_keep_beside_a_run_is_left_alone(tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    kept = [run / ".film.mkv.part", run / "films" / ".x.json.123.part", run / "cells" / ".film.mkv.part"]
    kept += [run / ".big.iso.123.part", run / "cells" / "a" / "b" / ".film.mkv.123.part"]
    kept.append(elsewhere / ".x.json.123.part")
    prepare.prepare_run(empty_folder(run), {"study": {}}, fresh=False)
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (run / "models").symlink_to(elsewhere)
    prepare.prepare_run(run, {"study": {}}, fresh=False)
    assert all(path.is_file() for path in kept)


def test_a_process_killed_while_it_wrote_the_record_leaves_an_empty_run(tmp_path: Path) -> None:
    (tmp_path / ".run.json.123.part").write_bytes(b"{")
    prepare.prepare_run(tmp_path, {"study": {}}, fresh=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.jsonl", "run.json"]


def test_fresh_sets_the_earlier_run_aside_and_loses_nothing(tmp_path: Path) -> None:
    run = empty_folder(tmp_path / "run")
    prepare.prepare_run(run, {"study": {"folds": 5}}, fresh=False)
    store.write_bytes(run / "results.csv", b"kept")
    prepare.prepare_run(run, {"study": {"folds": 2}}, fresh=True)
    (aside,) = tmp_path.glob("run-before-*")
    assert (aside / "results.csv").read_text() == "kept"
    assert sorted(path.name for path in run.iterdir()) == ["manifest.jsonl", "run.json"]


def test_fresh_sets_aside_the_run_that_is_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(empty_folder(tmp_path / "run"))
    prepare.prepare_run(Path(), {"study": {"folds": 5}}, fresh=False)
    prepare.prepare_run(Path(), {"study": {"folds": 2}}, fresh=True)
    (aside,) = tmp_path.glob("run-before-*")
    assert store.read_json(aside / "run.json") == {"study": {"folds": 5}}
    assert store.read_json(tmp_path / "run" / "run.json") == {"study": {"folds": 2}}


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("thesis.tex", "x"),
        (".film.mkv.part", "x"),
        (".lock", "4711"),
        ("run.json", '{"name": "of another program"}'),
        ("run.json", "[]"),
        ("manifest.jsonl", "x"),
        ("manifest.jsonl", '{"folder": "of another program"}\n'),
    ],
)
def test_a_directory_of_something_else_is_left_alone(tmp_path: Path, fresh: bool, name: str, content: str) -> None:
    folder = empty_folder(tmp_path / "folder")
    (folder / name).write_text(content)
    with pytest.raises(UsageError, match="not empty and not a run"):
        prepare.prepare_run(folder, {}, fresh)
    assert [path.name for path in folder.iterdir()] == [name]
    assert (folder / name).read_text() == content
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a")
    with pytest.raises(UsageError, match=r"notes.txt is not a folder; give another --out"):
        prepare.check_run(tmp_path / "notes.txt" / "below" / "it", {}, False)
    prepare.check_run(tmp_path / "new" / "one", {}, False)


@pytest.mark.parametrize("dangling", [False, True])
def test_what_is_no_folder_is_refused(tmp_path: Path, dangling: bool) -> None:
    path = tmp_path / "out"
    path.symlink_to("nowhere") if dangling else path.touch()
    with pytest.raises(UsageError, match=r"out is not a folder; give another --out"):
        prepare.check_run(path, {}, fresh=False)


def test_a_check_touches_nothing_and_the_lock_alone_is_an_empty_folder(tmp_path: Path) -> None:
    prepare.check_run(tmp_path / "new", {}, fresh=False)
    assert not list(tmp_path.iterdir())
    with prepare.locked(tmp_path):
        prepare.check_run(tmp_path, {}, fresh=False)


def test_what_came_into_the_folder_before_the_lock_was_held_is_seen(tmp_path: Path) -> None:
    prepare.check_run(tmp_path, {}, fresh=False)
    with prepare.locked(tmp_path):
        (tmp_path / "thesis.tex").touch()
        with pytest.raises(UsageError, match="not empty and not a run"):
            prepare.prepare_run(tmp_path, {}, fresh=False)


def test_two_processes_never_hold_one_run(tmp_path: Path) -> None:
    with (
        prepare.locked(tmp_path),
        pytest.raises(UsageError, match="in use by another process"),
        prepare.locked(tmp_path),
    ):
        pass
    with prepare.locked(tmp_path):
        pass


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
def test_what_is_no_lock_is_refused_and_left_alone(tmp_path: Path, kind: str) -> None:
    path, others = tmp_path / "run" / ".lock", tmp_path / "notes.txt"
    others.write_text("mine")
    path.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(others if kind == "link" else "nowhere")
    with pytest.raises(UsageError, match=r"\.lock is no regular file"), prepare.locked(path.parent):
        pass
    assert os.path.lexists(path)
    assert others.read_text() == "mine"


def test_the_newest_run_is_found(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run in"):
        prepare.newest_run(tmp_path)
    for age, name in ((100, "new"), (0, "old")):
        store.write_json(tmp_path / name / "run.json", {})
        os.utime(tmp_path / name / "run.json", (age, age))
    assert prepare.newest_run(tmp_path).name == "new"
