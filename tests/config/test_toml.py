"""Files that hold no protocol or study, and names that none can have."""

import os
import time
from importlib.resources import files
from pathlib import Path

import pytest

from pse_repro.config.protocol import load_protocol
from pse_repro.errors import UsageError
from pse_repro.study.load import load_study
from tests.support.toml_texts import refused


@pytest.mark.parametrize("what", ["protocol", "study"])
def test_an_unknown_name_is_refused_with_those_that_are_known(what: str) -> None:
    load, near = (load_protocol, "as-relased") if what == "protocol" else (load_study, "smok")
    with pytest.raises(UsageError, match=rf"{what} is '{near}'; expected one of .*, or a \.toml file \(did you mean "):
        load(near)


@pytest.mark.parametrize("what", ["protocol", "study"])
def test_what_is_not_toml_or_not_text_or_not_there_is_refused(what: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    assert "is not TOML" in refused(path, "name = ", what)
    load = load_study if what == "study" else load_protocol
    for content, said in (
        (b"name = '\xe9'", r"not in UTF-8 \(byte 9 is 0xe9\)"),
        ("name = 1".encode("utf-16"), "in UTF-16"),
    ):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=rf"mine.toml is {said}; save it as plain text in UTF-8"):
            load(str(path))
    with pytest.raises(UsageError, match=f"{what} file .*absent.toml cannot be read: No such file"):
        load(str(tmp_path / "absent.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(UsageError, match=f"{what} file .*folder.toml cannot be read: it is a folder; expected"):
        load(str(tmp_path / "folder.toml"))


DEEP, LONG = 1_000, 4_990  # brackets, which no line limit refuses; a dotted key's characters


@pytest.mark.parametrize("what", ["protocol", "study"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"a = {'[' * 5_000}{']' * 5_000}", "has a line of 10,004 characters; expected 5,000 or fewer"),
        (f"a = {'{b=' * 3_000}1{'}' * 3_000}", "has a line of 12,005 characters; expected 5,000 or fewer"),
        (f"{'.'.join('a' * 100_000)} = 1", "has a line of 200,003 characters; expected 5,000 or fewer"),
        (f"a = {'9' * 5_000}", "has a line of 5,004 characters; expected 5,000 or fewer"),
        (f"a = {'[' * DEEP}{']' * DEEP}", "its lists or tables are nested too deeply"),
        (f"a = {'{b=' * DEEP}1{'}' * DEEP}", "its lists or tables are nested too deeply"),
        (f"a = {'[' * 300}{']' * 300}", "{path}: holds what no key takes (Invalid JSON: recursion limit"),
        (f"name = {'[' * 150}{']' * 150}", "{path}: "),
        (f"a = {'9' * 4_500}", "is not TOML: Exceeds the limit"),
        (f"name = 0x{'f' * 4_500}", "{path}: holds what no key takes (Exceeds the limit"),
        (f"epochs = {'9' * 4_000}", "{path}: "),
        (f"{'a' * 4_000} = 1", "unknown key 'aaa"),
        ("# " + "x" * 78 + ("\n# " + "x" * 78) * 4_000, "cannot be read: it holds more than 262,144 bytes"),
        ("\n".join(f"{chr(97 + i)}.{'.'.join('a' * (LONG // 2))} = 1" for i in range(20)), "{path}: "),
    ],
)
def test_what_is_too_long_too_deep_or_too_large_is_refused_at_once(
    what: str, text: str, message: str, tmp_path: Path
) -> None:
    began = time.monotonic()
    line = refused(tmp_path / "mine.toml", text, what)
    assert message.format(path=f"{what} {tmp_path / 'mine.toml'}") in line
    assert len(line) < 1_000
    assert time.monotonic() - began < 5  # hours for the longest key without the limit


@pytest.mark.parametrize("what", ["protocol", "study"])
@pytest.mark.parametrize(
    ("kind", "message"),
    [("pipe", "it is a named pipe"), ("device", "it is a device"), ("dangling", "No such file or directory")],
)
def test_what_is_no_regular_file_is_refused_at_once(what: str, kind: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else "absent")
    with pytest.raises(UsageError, match=f"{what} file .*mine.toml cannot be read: {message}"):
        (load_study if what == "study" else load_protocol)(str(path))


def test_a_path_with_a_nul_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load_protocol("a\0.toml")


def test_a_byte_order_mark_is_taken_and_another_encoding_named(tmp_path: Path) -> None:
    text = (files("pse_repro") / "studies" / "smoke.toml").read_text(encoding="utf-8")
    for encoding in ("utf-8", "utf-8-sig"):
        (tmp_path / "mine.toml").write_text(text, encoding)
        assert load_study(str(tmp_path / "mine.toml")) == load_study("smoke")
    for encoding in ("utf-16", "latin-1"):
        (tmp_path / "mine.toml").write_text(f"{text}# \xe9", encoding)
        with pytest.raises(UsageError, match=r"mine.toml is (not in UTF-8|in UTF-16).*; save it as plain text"):
            load_study(str(tmp_path / "mine.toml"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a\\u0000b", "expected printable characters alone"),
        ("a\\u001b[31m", "expected printable characters alone"),
        ("a\\nb", "expected printable characters alone"),
        ("a" * 101, "of 101 bytes; expected 100 or fewer"),
        ("\U0001f600" * 26, "of 104 bytes; expected 100 or fewer"),
        ("a" * 4_000, "of 4,000 bytes; expected 100 or fewer"),
    ],
)
def test_names_that_file_systems_or_terminals_cannot_take_are_refused(name: str, message: str, tmp_path: Path) -> None:
    for what, kit in (("protocol", "protocols/as-released.toml"), ("study", "studies/smoke.toml")):
        text = (Path(str(files("pse_repro"))) / kit).read_text(encoding="utf-8")
        line = refused(tmp_path / "mine.toml", text.replace(f'"{Path(kit).stem}"', f'"{name}"', 1), what)
        assert message in line
        assert line.isprintable()


@pytest.mark.parametrize("name", ["", "../up", "a\\\\b", ".hidden"])
def test_names_that_cannot_be_folders_are_refused(tmp_path: Path, name: str) -> None:
    text = (Path(str(files("pse_repro"))) / "protocols" / "as-released.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('"as-released"', f'"{name}"'))
    with pytest.raises(UsageError, match="expected a word without slashes"):
        load_protocol(str(tmp_path / "mine.toml"))
