"""Expansion of `~` in every path of every command, after `--data=` and in variables, where no shell expands it."""

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import typer

from pse_repro.cli.app import DATA_COMMANDS, PANELS, app, data_app
from pse_repro.cli.home import with_home
from tests.cli.conftest import Run
from tests.support.tiny import write_images

FUNCTIONS = {name: function for commands in PANELS.values() for name, function in commands.items()} | DATA_COMMANDS
NAMES_OF_FILES = ("study", "protocol", "against", "source")  # strings that may be a path, a name or a URL
NEEDED = {"encoder": "cnn", "objective": "mse"}


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


def paths() -> Iterator[tuple[str, str]]:
    """Yield every command with each of its parameters that may be a path."""
    for name, function in FUNCTIONS.items():
        for parameter in inspect.signature(function).parameters.values():
            if "Path" in str(parameter.annotation) or parameter.name in NAMES_OF_FILES:
                yield name, parameter.name


def called(function: Callable[..., None], *words: str) -> dict[str, Any]:
    """Return the arguments with which a command of that signature is called."""
    given: dict[str, Any] = {}

    @wraps(function)
    def record(**values: Any) -> None:
        given.update(values)

    probe = typer.Typer()
    probe.command()(with_home(record))
    typer.main.get_command(probe).main(list(words), standalone_mode=False)
    return given


@pytest.mark.parametrize(("command", "name"), list(paths()), ids="-".join)
def test_a_path_of_any_command_may_begin_with_it(
    command: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    function = FUNCTIONS[command]
    probe = typer.Typer()
    probe.command()(function)
    params: list[Any] = typer.main.get_command(probe).params
    (param,) = (param for param in params if param.name == name)
    needed = [p for p in params if p.required and p is not param]
    words = [f"{p.opts[0]}={NEEDED[p.name]}" if p.param_type_name == "option" else "smoke" for p in needed]
    if param.param_type_name == "argument":
        found = [called(function, *words, "~/a b")[name]]
    else:
        found = [called(function, *words, f"{param.opts[0]}=~/a b")[name]]
        monkeypatch.setenv(param.envvar, "~/a-b")  # blanks separate the values of a list
        found.append(called(function, *words)[name])
    for value in found:
        one = value[0] if isinstance(value, list) else value
        assert str(one) in (f"{tmp_path}/a b", f"{tmp_path}/a-b")


def test_no_command_is_without_it() -> None:
    for info in (*app.registered_commands, *data_app.registered_commands):
        assert info.callback is not None
        assert info.callback.__code__ is with_home(print).__code__  # type: ignore[attr-defined]


def test_images_and_figures_are_at_home(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "photos")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("PSE_REPRO_FIGURE", "~/new/figure.png")
    status, out, err = run("demo", "--data=~/photos")
    assert (status, out.splitlines()[0]) == (0, f"{tmp_path}/new/figure.png"), err
    assert not list((tmp_path / "elsewhere").iterdir())


def test_names_that_only_look_like_it_stay() -> None:
    assert called(FUNCTIONS["compare"], "~no-such-user/x.csv", "--against=a/~b", "--format=csv") == {
        "results": Path("~no-such-user/x.csv"), "against": "a/~b", "format": "csv", "strict": False, "junit": None,
        "details": False,
    }  # fmt: skip


def test_without_a_home_it_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: str(path))
    status, _, err = run("data", "verify", "--data=~/photos")
    assert (status, err.count("\n")) == (2, 1)
    assert "~/photos: no home folder is known; set HOME" in err
