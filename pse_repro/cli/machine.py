"""Machine commands: doctor, bench."""

from pathlib import Path
from typing import Annotated, Literal, NoReturn

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
    card: Annotated[
        bool,
        typer.Option(
            "--card",
            envvar="PSE_REPRO_CARD",
            help="Answer as much as a few minutes on a GPU allow: the machine's ceilings, smoke, CUDA tests, rows "
            "loss and pretrain, the CNN pair. Exit status 3 if a part does not end well.",
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", envvar="PSE_REPRO_OUT", help="With --card: folder of its results.")
    ] = None,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.1, envvar="PSE_REPRO_MINUTES", help="With --card: time for all parts.")
    ] = 8.0,
    quiet: QuietOption = False,
) -> None:
    """Benchmark the kit against a straightforward implementation of the same work, in one run.

    Example: `pse-repro bench --rows loss --rows pretrain --device cpu`
    """
    from pse_repro.bench import run as benchmark

    if card:
        if rows or save or source:
            raise UsageError("--card has rows and files of its own; leave out --rows, --save and --from")
        if out is None:
            raise UsageError("--card needs a folder for its results: --out DIR")
        _run_card(out, data, device, minutes, (quick, quiet), format)
    if source:
        if save:
            raise UsageError("--from prints a saved result, --save saves a new one; give one of them")
        typer.echo(benchmark.render_file(source, rows or (), format))
        return
    precisions = ("fp32", "bf16") if precision == "both" else (precision,)
    options = benchmark.Options(rows or (), device, precisions, data, rounds, quick, quiet)
    typer.echo(benchmark.bench(options, format, save))


def _run_card(
    out: Path, data: Path | None, device: str, minutes: float, flags: tuple[bool, bool], format: str
) -> NoReturn:
    from pse_repro.bench.card import run as benchmark

    card = benchmark.card(benchmark.Options(out, data, device, minutes, *flags))
    texts = {"json": card.as_json, "markdown": card.as_markdown}
    lines = [*map(str, card.parts), f"results: {out / 'card.md'}"]
    typer.echo(texts[format]() if format in texts else "\n".join(lines))
    raise typer.Exit(card.exit_status)
