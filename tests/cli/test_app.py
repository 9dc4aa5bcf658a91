"""Help, options and version."""

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
import torch
import typer

from pse_repro import cli
from tests.cli.conftest import Run

RUNS = ("smoke", "quick", "full", "run", "plan", "pretrain", "evaluate")
COMMANDS = (*RUNS, "status", "compare", "explain", "report", "export", "verify", "demo", "doctor", "bench", "data")
DATA_COMMANDS = ("fetch", "verify", "info", "sample")
EVERY = [*((name,) for name in COMMANDS if name != "data"), *(("data", name) for name in DATA_COMMANDS)]
# Options that mean something else than an option of the same name of the other commands.
OTHER_NAMES = {("export", "OUT"): "ARCHIVE", ("demo", "OUT"): "FIGURE", ("bench", "FROM"): "SAVED"}


def command_of(words: tuple[str, ...]) -> Any:
    command = typer.main.get_command(cli.app)
    for word in words:
        command = command.commands[word]
    return command


def listed(help: str) -> list[str]:
    return re.findall(r"^│ ([a-z]+)  ", help, re.M)


def test_the_command_line_is_what_it_was(run: Run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    assert listed(out) == list(COMMANDS)
    assert listed(run("data", "--help")[1]) == list(DATA_COMMANDS)


def test_without_arguments_the_help_is_shown_and_nothing_else(run: Run) -> None:
    for words in ((), ("data",)):
        status, out, err = run(*words)
        assert (status, err) == (2, "")
        assert "Usage:" in out


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_explains_itself_with_an_example(run: Run, words: tuple[str, ...]) -> None:
    status, out, _ = run(*words, "--help")
    assert status == 0
    assert f"Example: pse-repro {' '.join(words)}" in re.sub(r"[│\s]+", " ", out)


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_long_option_has_its_environment_variable(words: tuple[str, ...]) -> None:
    options = [p for p in command_of(words).params if p.param_type_name == "option" and p.name != "help"]
    assert options or words in (("report",), ("data", "sample"))
    for option in options:
        name = option.opts[0].removeprefix("--").upper().replace("-", "_")
        assert option.envvar == f"PSE_REPRO_{OTHER_NAMES.get((*words, name), name)}"


def test_an_environment_variable_does_what_the_option_does(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.commands.plan.estimate_seconds", lambda *_: 60.0)
    by_option = run("plan", "smoke", "--seeds", "2", "--format", "json")[1]
    monkeypatch.setenv("PSE_REPRO_SEEDS", "2")
    monkeypatch.setenv("PSE_REPRO_FORMAT", "json")
    by_variable = run("plan", "smoke")[1]
    assert json.loads(by_option)["cells"] == json.loads(by_variable)["cells"]
    assert len(json.loads(by_option)["cells"]) == 4


def test_names_of_devices_and_formats_may_be_in_capitals(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.commands.plan.estimate_seconds", lambda *_: 60.0)
    monkeypatch.setenv("PSE_REPRO_DEVICE", "CPU")
    status, out, err = run("plan", "smoke", "--precision", "FP32", "--format", "JSON")
    assert (status, len(json.loads(out)["cells"])) == (0, 2), err
    assert run("plan", "smoke", "--device", "CUDA")[0] == (0 if torch.cuda.is_available() else 3)


@pytest.mark.parametrize("words", [("plan", "smoke"), ("explain",)])
def test_a_format_that_a_command_lacks_is_no_error_if_it_is_every_command_s(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr("pse_repro.commands.plan.estimate_seconds", lambda *_: 60.0)
    table = run(*words)
    monkeypatch.setenv("PSE_REPRO_FORMAT", "latex")
    assert run(*words) == table
    status, _, err = run(*words, "--format", "latex")
    assert status == 2
    assert "'latex' is not one of 'table'" in err
    monkeypatch.setenv("PSE_REPRO_FORMAT", "pdf")
    assert run(*words)[0] == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_commands(shell: str) -> None:
    environment = os.environ | {
        "_PSE_REPRO_COMPLETE": f"complete_{shell}", "COMP_WORDS": "pse-repro da", "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "pse-repro da", "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }  # fmt: skip
    script = [sys.executable, "-c", "import sys; sys.argv[0] = 'pse-repro'; from pse_repro.cli import main; main()"]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert "data" in done.stdout, done.stderr
    assert "smoke" not in done.stdout


def test_no_color_means_no_escape_sequence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.commands.plan.estimate_seconds", lambda *_: 60.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    for words in (("--help",), ("plan", "smoke"), ("smoke", "--data", "nowhere")):
        _, out, err = run(*words)
        assert "\x1b[3" not in out + err
        assert "\x1b[9" not in out + err


def test_version(run: Run) -> None:
    from pse_repro import __version__

    assert run("--version")[:2] == (0, f"{__version__}\n")
