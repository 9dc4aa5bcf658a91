"""Commands on stored runs: export, status."""

from pathlib import Path
from typing import Annotated

import typer

from pse_repro.cli.options import RunArgument, ShortFormat, ShortFormatOption


def export(
    run: RunArgument = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", envvar="PSE_REPRO_OUT",
            help="FILE.tar.gz, FILE.zip, or a folder for RUN.tar.gz. [default: the folder that RUN is in]",
        ),
    ] = None,
    weights: Annotated[
        bool, typer.Option("--weights", envvar="PSE_REPRO_WEIGHTS", help="With the models' weights.")
    ] = False,
) -> None:  # fmt: skip
    """Pack a run's tables, predictions, figures and provenance into one file, which `compare` takes; prints where.

    Example: `pse-repro export runs/smoke --out smoke.zip`
    """
    from pse_repro import run_commands

    typer.echo(run_commands.export(run, out, weights))


def status(
    run: RunArgument = None,
    format: ShortFormatOption = ShortFormat.table,
    watch: Annotated[
        bool, typer.Option("--watch", envvar="PSE_REPRO_WATCH", help="Show it anew every few seconds until it ends.")
    ] = False,
) -> None:
    """Say what a run is doing, also from another terminal: what is done, what is in progress, how long is left.

    Example: `pse-repro status runs/full --watch`
    """
    from pse_repro import run_commands

    if watch:
        run_commands.watch(run, format.value)
    else:
        typer.echo(run_commands.status(run, format.value))
