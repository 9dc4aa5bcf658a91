"""The status command."""

from typing import Annotated

import typer

from pse_repro.cli.options import RunArgument, ShortFormatOption


def status(
    run: RunArgument = None,
    format: ShortFormatOption = "table",
    watch: Annotated[
        bool, typer.Option("--watch", envvar="PSE_REPRO_WATCH", help="Refresh every few seconds until the run ends.")
    ] = False,
) -> None:
    """Show a run's status, from any terminal: what is done, what is in progress, how much time is left.

    Example: `pse-repro status runs/full --watch`
    """
    from pse_repro.commands import status as commands

    if watch:
        commands.watch(run, format)
    else:
        typer.echo(commands.status(run, format))
