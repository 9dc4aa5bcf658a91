"""Commands on results: compare, report."""

from pathlib import Path
from typing import Annotated

import typer

from pse_repro.cli.options import DataOption, FormatOption, RunArgument, StrictOption, TextFormat


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
    format: FormatOption = "table",
    strict: StrictOption = False,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", envvar="PSE_REPRO_JUNIT", help="Also write a JUnit XML file: each number a test case."),
    ] = None,
) -> None:
    """Compare a run, or any table of results, with what was published, or with another run: number by number.

    Example: `pse-repro compare results.csv --against paper --format markdown`
    """
    from pse_repro.commands import results as commands

    text, status = commands.compare(results, against, format, strict, junit)
    typer.echo(text)
    raise typer.Exit(status)


def explain(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run of several protocols, such as `run switches` makes.")
    ] = None,
    format: Annotated[
        TextFormat, typer.Option("--format", envvar="PSE_REPRO_FORMAT", help="table, markdown or json.")
    ] = "table",
) -> None:
    """Say in which fourteen ways the released code differs from the slides or, of a run, what each of them did.

    Example: `pse-repro explain runs/switches --format markdown`
    """
    from pse_repro.commands import results as commands

    typer.echo(commands.explain(run, format))


def report(run: RunArgument = None) -> None:
    """Write a run's report again (report.html and report.md); prints where.

    Example: `pse-repro report runs/smoke`
    """
    from pse_repro.commands import results as commands

    typer.echo(commands.report(run))


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
    from pse_repro.commands import results as commands

    typer.echo(commands.export(run, out, weights))


def demo(
    data: DataOption = None,
    image: Annotated[
        int, typer.Option("--image", envvar="PSE_REPRO_IMAGE", help="Which unlabelled image, from 0.")
    ] = 0,
    sigma: Annotated[
        float, typer.Option("--sigma", envvar="PSE_REPRO_SIGMA", help="PSE's standard deviation in pixels.")
    ] = 3.0,
    out: Annotated[
        Path, typer.Option("--out", envvar="PSE_REPRO_OUT", help="The figure: a .png, .svg or .pdf file.")
    ] = Path("demo.png"),
    seed: Annotated[int, typer.Option("--seed", min=0, envvar="PSE_REPRO_SEED", help="Where the noise falls.")] = 0,
) -> None:
    """Show what PSE punishes and MSE does not: one image, a blob and noise of equal MSE, losses and gradients.

    Example: `pse-repro demo --data /data --image 7 --sigma 3 --out demo.svg`
    """
    from pse_repro.commands.demo import demo as draw_demo

    typer.echo(draw_demo(data, image, sigma, out, seed))
