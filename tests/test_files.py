"""XDG base directories."""

from pathlib import Path

import pytest

from pse_repro.files import cache_home, data_home


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
