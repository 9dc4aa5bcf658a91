"""The entry point: every error becomes one line and an exit status; a traceback is shown only with --debug."""

import io
import logging
import os
import re
import signal
import sys

import typer

from pse_repro.cli.app import app, settings
from pse_repro.errors import KitError, explain_os_error
from pse_repro.text import visible

INTERRUPTED = "interrupted; what was done is kept, run the same command again to resume"
READER_LEFT = 128 + 13  # as the shell reports a program that SIGPIPE ended


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` and `docker stop` end a run like Ctrl-C
    os.environ["MPLBACKEND"] = "agg"  # a notebook's or cluster's backend may be missing here, and none is needed
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its folder may be read-only; it uses another
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a bar or an accent that a terminal's encoding lacks ends no command
    command = typer.main.get_command(app)
    try:
        status = int(command.main(standalone_mode=False) or 0)
        message = INTERRUPTED if status == 130 else ""  # Typer turns Ctrl-C into a status
    except KeyboardInterrupt:
        message, status = INTERRUPTED, 130
    except SystemExit as stop:  # Typer ends like this when the reader of a pipe is gone
        if not isinstance(stop.__context__, BrokenPipeError):
            raise
        message, status = "", READER_LEFT
    except Exception as error:
        if settings.debug:
            raise
        message, status = _explain(error)
    if message:
        typer.echo(f"pse-repro: {visible(message)}", err=True)
    sys.exit(status)


def _explain(error: Exception) -> tuple[str, int]:
    if isinstance(error, KitError):
        return str(error), error.exit_status
    if hasattr(error, "format_message"):  # Typer's usage errors
        message = str(error.format_message())  # empty if no arguments were given: the help was shown
        if extra := re.fullmatch(r"Got unexpected extra argument(?:s|\(s\))? \((.*)\)", message):
            message = f"{extra[1]!r} is one argument too many; give options by their names, and commands one at a time"
        return f"{message} (see pse-repro --help)" if message else "", 2
    if isinstance(error, typer.Abort):
        return INTERRUPTED, 130
    if isinstance(error, OSError):
        return explain_os_error(error), 3
    kind = type(error).__name__
    return f"unexpected {kind}: {error} (for a traceback: pse-repro --debug, then the command again)", 1
