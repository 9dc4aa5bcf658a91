"""The entry point: every error becomes one line and an exit status; a traceback is shown only with --debug."""

import io
import os
import signal
import sys

import typer

from pse_repro.cli.app import app, settings
from pse_repro.errors import KitError

INTERRUPTED = "interrupted; what was done is kept, run the same command again to resume"


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` and `docker stop` end a run like Ctrl-C
    os.environ["MPLBACKEND"] = "agg"  # a notebook's or cluster's backend may be missing here, and none is needed
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a bar or an accent that a terminal's encoding lacks ends no command
    command = typer.main.get_command(app)
    try:
        status = int(command.main(standalone_mode=False) or 0)
        message = INTERRUPTED if status == 130 else ""  # Typer turns Ctrl-C into a status
    except KeyboardInterrupt:
        message, status = INTERRUPTED, 130
    except Exception as error:
        if settings.debug:
            raise
        message, status = _explain(error)
    if message:
        typer.echo(f"pse-repro: {message}", err=True)
    sys.exit(status)


def _explain(error: Exception) -> tuple[str, int]:
    if isinstance(error, KitError):
        return str(error), error.exit_status
    if hasattr(error, "format_message"):  # Typer's usage errors
        message = str(error.format_message())  # empty if no arguments were given: the help was shown
        return f"{message} (see pse-repro --help)" if message else "", 2
    if isinstance(error, typer.Abort):
        return INTERRUPTED, 130
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}; what was done is kept, resume when there is room and permission", 3
    kind = type(error).__name__
    return f"unexpected {kind}: {error} (for a traceback: pse-repro --debug, then the command again)", 1
