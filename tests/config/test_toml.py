"""Files that hold no protocol or study, and names that none can have."""

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
    with pytest.raises(UsageError, match=f"{what} file .*folder.toml cannot be read: Is a directory"):
        load(str(tmp_path / "folder.toml"))


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    for kind, name, load in (("protocols", "as-released", load_protocol), ("studies", "smoke", load_study)):
        content = (Path(str(files("pse_repro"))) / kind / f"{name}.toml").read_bytes()
        (tmp_path / "mine.toml").write_bytes(b"\xef\xbb\xbf" + content.replace(f'"{name}"'.encode(), b'"mine"', 1))
        assert load(str(tmp_path / "mine.toml")).name == "mine"


@pytest.mark.parametrize("what", ["protocol", "study"])
def test_no_file_has_a_nul_in_its_name(what: str) -> None:
    with pytest.raises(UsageError, match=r"a\\0b.toml cannot be read: No such file"):
        (load_protocol if what == "protocol" else load_study)("a\0b.toml")


@pytest.mark.parametrize("name", ["", "../up", "a\\\\b", ".hidden", "a\\u0000b", "a\\u001b[31mb", "a\\nb", "\\u202eb"])
def test_names_that_cannot_be_folders_are_refused(tmp_path: Path, name: str) -> None:
    text = (Path(str(files("pse_repro"))) / "protocols" / "as-released.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace('"as-released"', f'"{name}"'))
    with pytest.raises(UsageError, match="expected a word without slashes"):
        load_protocol(str(tmp_path / "mine.toml"))
