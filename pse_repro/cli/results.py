"""Commands on results: compare, report."""

from pathlib import Path
from typing import Annotated

import typer

from pse_repro.cli.options import Format, FormatOption, RunArgument, StrictOption, TextFormat


def compare(
    results: Annotated[
        Path | None, typer.Argument(metavar="[RUN | TABLE.csv]", help="[default: the newest run in runs/]")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            envvar="PSE_REPRO_AGAINST",
            help="paper, released_logs, initial, smoke, or another run's directory. "
            "[default: what the run's study names; paper for a table]",
        ),
    ] = None,
    format: FormatOption = Format.table,
    strict: StrictOption = False,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", envvar="PSE_REPRO_JUNIT", help="Also write a JUnit XML file: each number a test case."),
    ] = None,
) -> None:
    """Compare a run, or any table of results, with what was published, or with another run: number by number.

    Example: `pse-repro compare results.csv --against paper --format markdown`
    """
    from pse_repro import commands

    text, status = commands.compare(results, against, format.value, strict, junit)
    typer.echo(text)
    raise typer.Exit(status)


def explain(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run of several protocols, such as `run switches` makes.")
    ] = None,
    format: Annotated[
        TextFormat, typer.Option("--format", envvar="PSE_REPRO_FORMAT", help="table, markdown or json.")
    ] = TextFormat.table,
) -> None:
    """Say in which fourteen ways the released code differs from the slides or, of a run, what each of them did.

    Example: `pse-repro explain runs/switches --format markdown`
    """
    from pse_repro import commands

    typer.echo(commands.explain(run, format.value))


def report(run: RunArgument = None) -> None:
    """Write a run's report again (report.html and report.md); prints where.

    Example: `pse-repro report runs/smoke`
    """
    from pse_repro import commands

    typer.echo(commands.report(run))
