"""The entry point: one clear line and an exit status for whatever goes wrong; a traceback only with --debug."""

import os
import signal
import sys

import typer

from pse_repro.cli.app import app, settings
from pse_repro.errors import KitError

INTERRUPTED = "interrupted; what was done is kept, the same command continues"


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` and `docker stop` end a run as Ctrl-C does
    os.environ["MPLBACKEND"] = "agg"  # a notebook's or cluster's backend may not be installed here, and none is needed
    command = typer.main.get_command(app)
    try:
        status = int(command.main(standalone_mode=False) or 0)
        message = INTERRUPTED if status == 130 else ""  # Typer makes a status of Ctrl-C
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
    if hasattr(error, "format_message"):  # Typer's errors of usage
        said = str(error.format_message())  # nothing where no arguments were given: the help was shown
        return f"{said} (see pse-repro --help)" if said else "", 2
    if isinstance(error, typer.Abort):
        return INTERRUPTED, 130
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}; what was done is kept, continue when there is room and permission", 3
    kind = type(error).__name__
    return f"unexpected {kind}: {error} (for a traceback: pse-repro --debug, then the command again)", 1
