"""The files in which processes say what they do: whole, of living processes alone."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pse_repro.progress import now
from pse_repro.progress.now import Now, kept_while_running, now_folder, read_nows, remove_now, write_now

HERE = Now("as-released/cnn-mse-seed0", "pre-train", 3, 9, "images", 1.5, 1, 3, (0.5, None), "epoch 1/3")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return now_folder(tmp_path)


def written_by(folder: Path, pid: int, said: Now, machine: str | None = None) -> Path:
    """As if that process had written it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{pid}.json"
    content = {"pid": pid, "machine": machine or now.platform.node(), "now": asdict(said)}
    path.write_text(json.dumps(content))
    return path


def dead_process() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_what_is_written_is_read_and_replaced_and_removed(folder: Path) -> None:
    write_now(folder, HERE)
    assert read_nows(folder) == [HERE]
    assert [path.name for path in folder.iterdir()] == [f"{os.getpid()}.json"]
    later = replace(HERE, done=6)
    write_now(folder, later)
    assert read_nows(folder) == [later]
    remove_now(folder)
    remove_now(folder)
    assert list(folder.iterdir()) == []


def test_two_processes_in_the_order_of_their_cells(folder: Path) -> None:
    write_now(folder, HERE)
    other = replace(HERE, cell="as-described/cnn-mse-seed0")
    written_by(folder, os.getppid(), other)
    assert read_nows(folder) == [other, HERE]


def test_files_of_dead_processes_are_passed_over_and_removed_where_that_is_wanted(folder: Path) -> None:
    stale = written_by(folder, dead_process(), HERE)
    assert read_nows(folder) == []
    assert stale.exists()
    write_now(folder, HERE)
    assert read_nows(folder, remove_stale=True) == [HERE]
    assert not stale.exists()


def test_another_machine_s_processes_cannot_be_asked_for_and_count(folder: Path) -> None:
    written_by(folder, dead_process(), HERE, machine="another")
    assert read_nows(folder, remove_stale=True) == [HERE]


def test_another_user_s_process_lives(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: int, __: int) -> None:
        raise PermissionError

    written_by(folder, 12345, HERE)
    monkeypatch.setattr(os, "kill", refused)
    assert read_nows(folder) == [HERE]


@pytest.mark.parametrize("length", [0, 1, 20, 60, -1])
def test_truncated_files_are_passed_over(folder: Path, length: int) -> None:
    write_now(folder, HERE)
    path = next(folder.iterdir())
    path.write_bytes(path.read_bytes()[:length])
    assert read_nows(folder, remove_stale=True) == []


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"pid": 1, "machine": "x", "now": {"losses": [], "new": 1}}'])
def test_files_of_another_form_are_passed_over(folder: Path, content: str) -> None:
    folder.mkdir()
    (folder / "1.json").write_text(content)
    (folder / "2.json").write_bytes(b"\xff")
    assert read_nows(folder) == []


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    folder = tmp_path / "absent" / "now"
    write_now(folder, HERE)
    remove_now(folder)
    assert read_nows(folder) == []


def test_a_run_begins_without_the_files_of_one_that_was_killed_and_leaves_none(tmp_path: Path, folder: Path) -> None:
    written_by(folder, os.getppid(), HERE)
    with kept_while_running(tmp_path):
        assert read_nows(folder) == []
        written_by(folder, os.getppid(), HERE)
    assert not folder.exists()


def test_rates_and_time_left() -> None:
    assert (HERE.per_second, HERE.seconds_left) == (2.0, 3.0)
    assert (Now("x", "y", 0, 9).per_second, Now("x", "y", 0, 9).seconds_left) == (0.0, None)
