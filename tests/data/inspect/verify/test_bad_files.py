"""The verdict covers every problem of every file."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pse_repro.data.inspect.render import render_verification
from tests.support.checking import NAMES, checked, cut_between, file_of, states


def cut_inside(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\1")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] = content[0] % 10 + 1
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


def dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe_instead(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


HARMS: list[tuple[Callable[[Path], None], str, str]] = [
    (cut_inside, "truncated", "is truncated: found "),
    (cut_between, "truncated", "is truncated: found "),
    (empty, "truncated", "is truncated: found 0 bytes"),
    (lengthen, "other", "is not STL-10's: found "),
    (flip, "other", "is not STL-10's: found "),
    (remove, "missing", "is missing: expected"),
    (dangle, "missing", "is missing: expected"),
    (pipe_instead, "unreadable", "cannot be read: it is a named pipe"),
    (folder_instead, "unreadable", "cannot be read: it is a folder"),
]


@pytest.mark.parametrize(("harm", "state", "said"), HARMS)
@pytest.mark.parametrize("name", NAMES)
def test_one_bad_file_is_named_and_the_others_stay_proved(
    harm: Callable[[Path], None], state: str, said: str, name: str, official: Path
) -> None:
    harm(official / name)
    found = checked(official)
    assert states(found) == dict.fromkeys(NAMES, "official") | {name: state}
    assert not found.official
    assert found.exit_status == 3
    bad = file_of(found, name)
    assert bad.problem.startswith(f"{name} {said}")
    assert f"expected {bad.expected_bytes:,} bytes" in bad.problem
    if bad.bytes is not None:
        content = (official / name).read_bytes()
        assert (bad.bytes, bad.md5) == (len(content), hashlib.md5(content).hexdigest())
    assert bad.problem in found.problems
    assert (found.folds is None) == (name == "train_y.bin")


def test_a_file_without_permission_is_unreadable(official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = os.open

    def refuse(path: Any, *args: Any) -> int:
        if str(path).endswith("test_X.bin"):
            raise PermissionError(13, "Permission denied", str(path))
        return usual(path, *args)

    monkeypatch.setattr(os, "open", refuse)
    found = checked(official)
    assert states(found) == dict.fromkeys(NAMES, "official") | {"test_X.bin": "unreadable"}
    assert "test_X.bin cannot be read: Permission denied; expected 1,105,920 bytes (40 images); check" in str(
        found.problems
    )
    assert file_of(found, "test_X.bin").bytes is None


def test_every_state_at_once_in_one_verdict(official: Path) -> None:
    cut_inside(official / "train_X.bin")
    flip(official / "test_X.bin")
    remove(official / "test_y.bin")
    folder_instead(official / "unlabeled_X.bin")
    found = checked(official)
    assert list(states(found).values()) == ["truncated", "official", "other", "missing", "unreadable"]
    assert found.verdict.startswith("not STL-10, and not usable as it is: 4 of 5 files are not official")
    assert not found.consistent
    table = " ".join(render_verification(found).split())
    assert all(problem in table for problem in found.problems)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.touch()])
def test_a_folder_that_holds_nothing_or_is_none(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "here")
    found = checked(tmp_path / "here")
    assert set(states(found).values()) == {"missing"}
    assert not found.consistent
    assert found.labels == ()
    assert len(found.problems) == 5


def test_files_are_found_where_train_x_is_not(official: Path) -> None:
    remove(official / "train_X.bin")
    for directory in (official, official.parent):
        assert states(checked(directory)) == dict.fromkeys(NAMES, "official") | {"train_X.bin": "missing"}
