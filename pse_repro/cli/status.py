"""The command status."""

from typing import Annotated

import typer

from pse_repro.cli.options import RunArgument, ShortFormatOption


def status(
    run: RunArgument = None,
    format: ShortFormatOption = "table",
    watch: Annotated[
        bool, typer.Option("--watch", envvar="PSE_REPRO_WATCH", help="Show it anew every few seconds until it ends.")
    ] = False,
) -> None:
    """Say what a run is doing, also from another terminal: what is done, what is in progress, how long is left.

    Example: `pse-repro status runs/full --watch`
    """
    from pse_repro.commands import status as commands

    if watch:
        commands.watch(run, format)
    else:
        typer.echo(commands.status(run, format))
