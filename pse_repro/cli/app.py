"""The Typer app: commands in the order of --help, and the global options."""

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from pse_repro import __version__
from pse_repro.cli import data, machine, results, status, studies
from pse_repro.cli.home import with_home

PANELS: dict[str, dict[str, Callable[..., None]]] = {
    "Runs": {
        "smoke": studies.smoke,
        "quick": studies.quick,
        "full": studies.full,
        "run": studies.run_any,
        "plan": studies.plan,
        "pretrain": studies.pretrain,
        "evaluate": studies.evaluate,
        "status": status.status,
    },
    "Results": {
        "compare": results.compare,
        "explain": results.explain,
        "report": results.report,
        "export": results.export,
        "verify": results.verify,
        "demo": results.demo,
    },
    "Images and machine": {"doctor": machine.doctor, "bench": machine.bench},
}
DATA_COMMANDS: dict[str, Callable[..., None]] = {
    "fetch": data.fetch,
    "verify": data.verify,
    "info": data.info,
    "sample": data.sample,
}

_CONTEXT = {"help_option_names": ["-h", "--help"]}


def _help(function: Callable[..., None]) -> str:
    """Return a command's docstring, from its source if Python was told to drop docstrings (PYTHONOPTIMIZE=2)."""
    if function.__doc__:
        return inspect.cleandoc(function.__doc__)
    (found,) = ast.parse(inspect.getsource(function)).body
    return ast.get_docstring(found) or ""  # type: ignore[arg-type] # it is a function


@dataclass
class Settings:
    """Global options, given before the command."""

    debug: bool = False


settings = Settings()
app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="markdown",
    context_settings=_CONTEXT,
    help="Reproduce the study of Proximal Sensitive Error (PSE): train and evaluate models, compare with the paper.",
)
data_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings=_CONTEXT,
    help="Download, verify and inspect the images.",
)
for _panel, _commands in PANELS.items():
    for _name, _function in _commands.items():
        app.command(_name, rich_help_panel=_panel, help=_help(_function))(with_home(_function))
for _name, _function in DATA_COMMANDS.items():
    data_app.command(_name, help=_help(_function))(with_home(_function))
app.add_typer(data_app, name="data", rich_help_panel="Images and machine")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", envvar="PSE_REPRO_DEBUG", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    settings.debug = debug
