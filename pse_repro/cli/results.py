"""Result commands: compare, explain, report, export, verify, demo."""

from pathlib import Path
from typing import Annotated

import typer

from pse_repro.cli.options import (
    DataOption,
    FormatOption,
    RunArgument,
    ShortFormatOption,
    StrictOption,
    TextFormatOption,
)


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
            "[default: the table that the run's study names; paper for a table of results]",
        ),
    ] = None,
    format: FormatOption = "table",
    strict: StrictOption = False,
    junit: Annotated[
        Path | None,
        typer.Option(
            "--junit", dir_okay=False, envvar="PSE_REPRO_JUNIT", help="Also write JUnit XML, one test case per number."
        ),
    ] = None,
    details: Annotated[
        bool,
        typer.Option(
            "--details",
            envvar="PSE_REPRO_DETAILS",
            help="Also list every part and seed of the claims, and what the run could have found (table, markdown).",
        ),
    ] = False,
) -> None:
    """Compare a run, or any table of results, number by number with published values or with another run.

    Example: `pse-repro compare results.csv --against paper --format markdown`
    """
    from pse_repro.commands import results as commands

    text, status = commands.compare(results, against, format, strict, junit, details)
    typer.echo(text)
    raise typer.Exit(status)


def explain(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A run of several protocols, such as `run switches`.")
    ] = None,
    format: TextFormatOption = "table",
) -> None:
    """Describe the fourteen differences between released code and slides or, given a run, the effect of each.

    Example: `pse-repro explain runs/switches --format markdown`
    """
    from pse_repro.commands import results as commands

    typer.echo(commands.explain(run, format))


def report(run: RunArgument = None) -> None:
    """Rewrite a run's report (report.html and report.md); print its path.

    Example: `pse-repro report runs/smoke`
    """
    from pse_repro.commands import results as commands

    typer.echo(commands.report(run))


def export(
    run: RunArgument = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", envvar="PSE_REPRO_ARCHIVE",
            help="FILE.tar.gz, FILE.zip, or a folder for RUN.tar.gz. [default: the folder that contains RUN]",
        ),
    ] = None,
    weights: Annotated[
        bool, typer.Option("--weights", envvar="PSE_REPRO_WEIGHTS", help="Include the models' weights.")
    ] = False,
) -> None:  # fmt: skip
    """Pack a run's tables, predictions, figures and provenance into one file that `compare` reads; print its path.

    Example: `pse-repro export runs/smoke --out smoke.zip`
    """
    from pse_repro.commands import results as commands

    typer.echo(commands.export(run, out, weights))


def verify(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN | ARCHIVE]", help="[default: the newest run in runs/]")
    ] = None,
    format: ShortFormatOption = "table",
) -> None:
    """Check that a run is as it was computed: every file as it was written, every result as its predictions give it.

    Example: `pse-repro verify runs/smoke`
    """
    from pse_repro.commands import verify as commands

    text, status = commands.verify(run, format)
    typer.echo(text)
    raise typer.Exit(status)


def demo(
    data: DataOption = None,
    image: Annotated[
        int, typer.Option("--image", envvar="PSE_REPRO_IMAGE", help="Index of the unlabelled image, from 0.")
    ] = 0,
    sigma: Annotated[
        float, typer.Option("--sigma", envvar="PSE_REPRO_SIGMA", help="Standard deviation of PSE's kernel in pixels.")
    ] = 3.0,
    out: Annotated[
        Path, typer.Option("--out", dir_okay=False, envvar="PSE_REPRO_FIGURE", help="Figure file: .png, .svg or .pdf.")
    ] = Path("demo.png"),
    seed: Annotated[int, typer.Option("--seed", min=0, envvar="PSE_REPRO_SEED", help="Seed of the noise.")] = 0,
) -> None:
    """Show what PSE penalises and MSE does not: one image, errors of equal MSE, losses and gradients.

    Example: `pse-repro demo --data /data --image 7 --sigma 3 --out demo.svg`
    """
    from pse_repro.commands.demo import demo as draw_demo

    typer.echo(draw_demo(data, image, sigma, out, seed))
