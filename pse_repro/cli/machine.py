"""Commands on the machine: doctor, bench."""

from typing import Annotated

import typer

from pse_repro.cli.options import (
    DataOption,
    Device,
    DeviceOption,
    Format,
    OutOption,
    ShortFormat,
    ShortFormatOption,
)


def doctor(
    data: DataOption = None,
    out: OutOption = None,
    format: ShortFormatOption = ShortFormat.table,
    report: Annotated[
        bool,
        typer.Option(
            "--report", envvar="PSE_REPRO_REPORT", help="What an issue on a tracker needs, as Markdown; no user names."
        ),
    ] = False,
) -> None:
    """Say what this machine can run, and what to do about the rest. Exit status 3 where `full` cannot run here.

    Example: `pse-repro doctor --format json`
    """
    from pse_repro.doctor import bug_report, examine, render

    diagnosis = examine(data, out)
    typer.echo(bug_report(diagnosis) if report else render(diagnosis, format.value))
    raise typer.Exit(diagnosis.exit_status)


def bench(
    format: Annotated[
        Format, typer.Option("--format", envvar="PSE_REPRO_FORMAT", help="table, markdown, csv or json.")
    ] = Format.table,
    device: DeviceOption = Device.auto,
) -> None:
    """Measure PSE next to straightforward forms of it, in one run.

    Example: `pse-repro bench --device cpu`
    """
    from pse_repro import bench as benchmark

    typer.echo(benchmark.run(device.value, format.value))
