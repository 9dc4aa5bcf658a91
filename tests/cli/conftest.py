"""The fixture `run`, which calls the command line and returns exit status, standard output and standard error."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pse_repro import cli

Run = Callable[..., tuple[int, str, str]]


def _call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Return exit status, standard output and standard error of `pse-repro WORDS`."""
    monkeypatch.setattr("sys.argv", ["pse-repro", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: _call(monkeypatch, capsys, *words)
