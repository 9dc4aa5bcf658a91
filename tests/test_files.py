"""Bounded reads of regular files alone; XDG base directories."""

import os
import socket
from pathlib import Path

import pytest

from pse_repro.files import cache_home, data_home, open_regular, read_regular


def test_a_regular_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_regular(path, 5) == b"12345"
    with pytest.raises(OSError, match="it holds more than 4 bytes"):
        read_regular(path, 4)
    with pytest.raises(OSError, match="it holds more than 1,000 bytes"):
        read_regular(Path("/proc/self/smaps"), 1000)  # its size is 0 until it is read


def test_a_link_to_a_regular_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "link").symlink_to("a")
    assert read_regular(tmp_path / "link", 1) == b"1"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("pipe", "it is a named pipe; expected a regular file"),
        ("folder", "it is a folder; expected a regular file"),
        ("device", "it is a device; expected a regular file"),
        ("link to a pipe", "it is a named pipe; expected a regular file"),
        ("dangling link", "No such file or directory"),
        ("link to itself", "Too many levels of symbolic links"),
        ("socket", "No such device or address"),
    ],
)
def test_what_is_no_regular_file_is_refused_at_once(kind: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    if kind.endswith("pipe"):
        os.mkfifo(tmp_path / "pipe")
    match kind:
        case "folder":
            path.mkdir()
        case "socket":
            with socket.socket(socket.AF_UNIX) as opened:
                opened.bind(str(path))
        case _:
            path.symlink_to({"device": "/dev/zero", "link to itself": "a"}.get(kind, "pipe"))
    with pytest.raises(OSError, match=message) as caught:
        open_regular(path)
    assert caught.value.filename == str(path)


def test_a_pipe_from_the_shell_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"12345")
    os.close(writing)
    assert read_regular(Path(f"/dev/fd/{reading}"), 5) == b"12345"
    os.close(reading)


def test_the_variables_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere/data")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    assert data_home() == Path("/somewhere/data/pse-repro")
    assert cache_home() == Path("/somewhere/cache/pse-repro")


@pytest.mark.parametrize("value", [None, "", "relative/folder"])
def test_without_them_the_home_directory_serves(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
        if value is not None:
            monkeypatch.setenv(variable, value)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert data_home() == Path("/home/somebody/.local/share/pse-repro")
    assert cache_home() == Path("/home/somebody/.cache/pse-repro")
