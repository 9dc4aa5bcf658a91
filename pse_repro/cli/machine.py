"""Machine commands: doctor, bench."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pse_repro.cli.options import (
    BenchFormatOption,
    DataOption,
    DeviceOption,
    OutOption,
    QuietOption,
    ShortFormatOption,
)
from pse_repro.errors import UsageError

Precisions = Literal["fp32", "bf16", "both"]


def doctor(
    data: DataOption = None,
    out: OutOption = None,
    format: ShortFormatOption = "table",
    report: Annotated[
        bool,
        typer.Option("--report", envvar="PSE_REPRO_REPORT", help="Print a bug report in Markdown, without user names."),
    ] = False,
) -> None:
    """Check what this machine can run, and how to fix the rest. Exit status 3 if `full` cannot run here.

    Example: `pse-repro doctor --format json`
    """
    from pse_repro.doctor import bug_report, examine, render

    diagnosis = examine(data, out)
    typer.echo(bug_report(diagnosis) if report else render(diagnosis, format))
    raise typer.Exit(diagnosis.exit_status)


def bench(
    rows: Annotated[
        list[str] | None,
        typer.Option(
            "--rows",
            envvar="PSE_REPRO_ROWS",
            help="Row to measure; repeat for several: loss, pretrain, augmentation, finetune, frozen, heads, "
            "scaling, smoke. [default: all but smoke]",
        ),
    ] = None,
    device: DeviceOption = "auto",
    precision: Annotated[
        Precisions,
        typer.Option(
            "--precision", case_sensitive=False, envvar="PSE_REPRO_PRECISION", help="Precision of the kit's networks."
        ),
    ] = "both",
    data: DataOption = None,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, envvar="PSE_REPRO_ROUNDS", help="Number of timings of each row.")
    ] = 5,
    quick: Annotated[
        bool, typer.Option("--quick", envvar="PSE_REPRO_QUICK", help="Tiny sizes and one round, to check that it runs.")
    ] = False,
    format: BenchFormatOption = "table",
    save: Annotated[
        Path | None,
        typer.Option("--save", envvar="PSE_REPRO_SAVE", help="Folder for the result as DATE-MACHINE.json."),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", envvar="PSE_REPRO_SAVED", help="Print this saved result instead of measuring."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Benchmark the kit against a straightforward implementation of the same work, in one run.

    Example: `pse-repro bench --rows loss --rows pretrain --device cpu`
    """
    from pse_repro import bench as benchmark

    if source:
        if save:
            raise UsageError("--from prints a saved result, --save saves a new one; give one of them")
        typer.echo(benchmark.render_file(source, rows or (), format))
        return
    precisions = ("fp32", "bf16") if precision == "both" else (precision,)
    options = benchmark.Options(rows or (), device, precisions, data, rounds, quick, quiet)
    typer.echo(benchmark.bench(options, format, save))
