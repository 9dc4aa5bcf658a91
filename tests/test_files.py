"""Bounded reads of regular files, texts in other encodings, writes that fail, and the folders of data and cache."""

import os
import pwd
import socket
import tempfile
from pathlib import Path

import pytest

from pse_repro.errors import NotFitError, UsageError
from pse_repro.files import (
    cache_home,
    data_home,
    decoded,
    open_regular,
    read_regular,
    temporary_warning,
    write_bytes,
)


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


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Make `tmp_path`/tmp the temporary folder, and return it."""
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp" / f"pse-repro-{os.getuid()}"


def unknown(_: int) -> None:
    raise KeyError("getpwuid(): uid not found")


@pytest.mark.parametrize("home", [None, ""])
def test_a_user_without_a_home_has_temporary_folders(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    if home is not None:
        monkeypatch.setenv("HOME", home)
    assert Path(pwd.getpwuid(os.getuid()).pw_dir) in data_home().parents  # as the system knows it
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert (data_home(), cache_home()) == (nowhere / "images", nowhere)
    assert "set HOME, or XDG_CACHE_HOME" in temporary_warning(nowhere / "sample")
    assert temporary_warning(Path("/home/somebody/.cache")) == ""


def test_a_cache_that_cannot_be_written_to_is_used_for_what_it_holds(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cache" / "pse-repro").mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert cache_home() == tmp_path / "cache" / "pse-repro"
    monkeypatch.setattr("pse_repro.files.can_write", lambda _: False)
    assert cache_home() == nowhere
    assert cache_home(lambda home: home.is_dir()) == tmp_path / "cache" / "pse-repro"


def test_a_temporary_folder_of_another_user_is_refused(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    nowhere.with_name("pse-repro-54321").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    with pytest.raises(NotFitError, match="belongs to another user: set XDG_CACHE_HOME"):
        cache_home()


def test_a_folder_in_the_way_is_named_and_not_the_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(OSError, match="directory") as caught:
        write_bytes(tmp_path / "there", b"")
    assert (caught.value.filename, caught.value.filename2) == (str(tmp_path / "there"), None)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"caf\xe9", r"is not in UTF-8 \(byte 4 is 0xe9\)"),
        ("a,b".encode("utf-16"), "is in UTF-16"),
        ("a,b".encode("utf-16-le"), "is in UTF-16"),
        ("a,b".encode("utf-16-be"), "is in UTF-16"),
        (b"PK\x03\x04\x14\x00\x06", "is an Excel workbook or another zip archive"),
        (b"a\x00b,c\x01", "is a binary file"),
    ],
)
def test_text_in_another_encoding_is_named(content: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=f"a.csv {said}; save it as plain text in UTF-8"):
        decoded(content, Path("a.csv"))


def test_a_byte_order_mark_is_left_out() -> None:
    assert decoded(b"\xef\xbb\xbfa", "a.csv") == "a"
