"""The command line: each command parses, calls one function, prints, exits. Results go to standard output, the rest to
standard error. Exit status: 0 done; 1 done, and a number is outside its tolerance or a cell failed; 2 wrong usage or
configuration; 3 the data or the machine is not fit; 130 interrupted.
"""

import os
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pse_repro import __version__
from pse_repro.errors import KitError

INTERRUPTED = "interrupted; what was done is kept, the same command continues"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Reproduce the study of Proximal Sensitive Error (PSE): train and judge every model, compare with the paper.",
)


class Device(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Precision(StrEnum):
    fp32 = "fp32"
    bf16 = "bf16"


class Format(StrEnum):
    table = "table"
    markdown = "markdown"
    csv = "csv"
    json = "json"


class Evaluation(StrEnum):
    finetune = "finetune"
    frozen = "frozen"


DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="PSE_REPRO_DATA",
        help="Folder of STL-10's binary files (or of others in that layout). [default: $XDG_DATA_HOME/pse-repro]",
    ),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", envvar="PSE_REPRO_OUT", help="The run's directory. [default: runs/STUDY]")
]
ProtocolOption = Annotated[
    list[str] | None,
    typer.Option(
        "--protocol", envvar="PSE_REPRO_PROTOCOL", help="A protocol's name or TOML file; give it twice for two."
    ),
]
DeviceOption = Annotated[Device, typer.Option("--device", envvar="PSE_REPRO_DEVICE", help="Where to compute.")]
PrecisionOption = Annotated[
    Precision,
    typer.Option("--precision", envvar="PSE_REPRO_PRECISION", help="fp32 as the author ran, or bf16 autocast."),
]
SeedsOption = Annotated[
    int, typer.Option("--seeds", min=1, envvar="PSE_REPRO_SEEDS", help="Independent repetitions of every model.")
]
FreshOption = Annotated[
    bool,
    typer.Option(
        "--fresh/--resume", envvar="PSE_REPRO_FRESH", help="Set an earlier run aside, or continue it (the default)."
    ),
]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict", envvar="PSE_REPRO_STRICT", help="Exit with 1 for missing and not comparable numbers, too."
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", envvar="PSE_REPRO_QUIET", help="No progress, only results.")]
FormatOption = Annotated[
    Format, typer.Option("--format", envvar="PSE_REPRO_FORMAT", help="How to print the comparison.")
]
RunArgument = Annotated[
    Path | None, typer.Argument(metavar="[RUN]", help="A run directory. [default: the newest in runs/]")
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", envvar="PSE_REPRO_DEBUG", help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    os.environ["PSE_REPRO_DEBUG"] = "1" if debug else "0"  # one spelling of it, for main()


def _run(
    study: str, data: Path | None, out: Path | None, protocol: list[str] | None, device: Device, precision: Precision,
    seeds: int, fresh: bool, strict: bool, quiet: bool, format: Format,
) -> None:  # fmt: skip
    from pse_repro import commands

    options = commands.RunOptions(data, out, protocol or [], device.value, precision.value, seeds, fresh, quiet)
    text, status = commands.run(study, options, format.value, strict)
    typer.echo(text)
    raise typer.Exit(status)


STUDY_COMMANDS = {
    "smoke": "Run everything once, small, in about a minute: the CNN pair, compared with golden values.\n\n"
    "Example: `pse-repro smoke --device cpu`",
    "quick": "The CNN pair on all of STL-10 at reduced length, for one GPU.\n\n"
    "Example: `pse-repro quick --data /data --precision bf16`",
    "full": "The study: seven models, both evaluations, five folds, compared with the published tables.\n\n"
    "Example: `pse-repro full --data /data --protocol as-released --protocol as-described`",
}


def _add_study_command(study: str, help: str) -> None:
    @app.command(study, help=help)
    def _(
        data: DataOption = None, out: OutOption = None, protocol: ProtocolOption = None,
        device: DeviceOption = Device.auto, precision: PrecisionOption = Precision.fp32, seeds: SeedsOption = 1,
        fresh: FreshOption = False, strict: StrictOption = False, quiet: QuietOption = False,
        format: FormatOption = Format.table,
    ) -> None:  # fmt: skip
        _run(study, data, out, protocol, device, precision, seeds, fresh, strict, quiet, format)


for _study, _help in STUDY_COMMANDS.items():
    _add_study_command(_study, _help)


@app.command("run")
def run_any(
    study: Annotated[str, typer.Argument(metavar="STUDY.toml", help="A study's TOML file, or a built-in one's name.")],
    data: DataOption = None, out: OutOption = None, protocol: ProtocolOption = None, device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.fp32, seeds: SeedsOption = 1, fresh: FreshOption = False,
    strict: StrictOption = False, quiet: QuietOption = False, format: FormatOption = Format.table,
) -> None:  # fmt: skip
    """Run any study, then compare, then report.

    Example: `pse-repro run my-study.toml --data photos --out runs/mine`
    """
    _run(study, data, out, protocol, device, precision, seeds, fresh, strict, quiet, format)


@app.command()
def pretrain(
    encoder: Annotated[str, typer.Option("--encoder", envvar="PSE_REPRO_ENCODER", help="cnn or resnet.")],
    objective: Annotated[str, typer.Option("--objective", envvar="PSE_REPRO_OBJECTIVE", help="mse or pse.")],
    sigma: Annotated[
        float | None, typer.Option("--sigma", envvar="PSE_REPRO_SIGMA", help="pse's standard deviation in pixels.")
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1, envvar="PSE_REPRO_EPOCHS", help="Length.")] = 10,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, envvar="PSE_REPRO_BATCH_SIZE", help="[default: the protocol's]")
    ] = None,
    data: DataOption = None, out: OutOption = None, protocol: ProtocolOption = None, device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.fp32, fresh: FreshOption = False, quiet: QuietOption = False,
) -> None:  # fmt: skip
    """Pre-train one model; prints the run directory, which `evaluate` takes.

    Example: `pse-repro pretrain --encoder cnn --objective pse --sigma 3 --epochs 2 --out runs/one`
    """
    from pse_repro import commands

    options = commands.RunOptions(data, out, protocol or [], device.value, precision.value, 1, fresh, quiet)
    typer.echo(commands.pretrain(encoder, objective, sigma, epochs, batch_size, options))


@app.command()
def evaluate(
    run: RunArgument = None,
    evaluation: Annotated[
        list[Evaluation] | None, typer.Option("--evaluation", envvar="PSE_REPRO_EVALUATION", help="[default: both]")
    ] = None,
    data: DataOption = None, device: DeviceOption = Device.auto, quiet: QuietOption = False,
) -> None:  # fmt: skip
    """Judge the models of a run that `pretrain` made; prints their scores.

    Example: `pse-repro evaluate runs/one --evaluation frozen`
    """
    from pse_repro import commands

    text, status = commands.evaluate(
        run, [item.value for item in evaluation or list(Evaluation)], data, device.value, quiet
    )
    typer.echo(text)
    raise typer.Exit(status)


@app.command()
def compare(
    results: Annotated[
        Path | None, typer.Argument(metavar="[RUN | TABLE.csv]", help="[default: the newest run in runs/]")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            envvar="PSE_REPRO_AGAINST",
            help="paper, released_logs, initial or smoke. [default: what the run's study names; paper for a table]",
        ),
    ] = None,
    format: FormatOption = Format.table,
    strict: StrictOption = False,
) -> None:
    """Compare a run, or any table of results, with what was published: every number, its difference, a verdict.

    Example: `pse-repro compare results.csv --against paper --format markdown`
    """
    from pse_repro import commands

    text, status = commands.compare(results, against, format.value, strict)
    typer.echo(text)
    raise typer.Exit(status)


@app.command()
def report(run: RunArgument = None) -> None:
    """Write a run's report again (report.html and report.md); prints where.

    Example: `pse-repro report runs/smoke`
    """
    from pse_repro import commands

    typer.echo(commands.report(run))


@app.command()
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


def main() -> None:
    """The entry point: one clear line and an exit status for whatever goes wrong; a traceback only with --debug."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` and `docker stop` end a run as Ctrl-C does
    command = typer.main.get_command(app)
    try:
        status = int(command.main(standalone_mode=False) or 0)
        message = INTERRUPTED if status == 130 else ""  # Typer makes a status of Ctrl-C
    except KeyboardInterrupt:
        message, status = INTERRUPTED, 130
    except Exception as error:
        if os.environ.get("PSE_REPRO_DEBUG") == "1":
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
    return f"unexpected {type(error).__name__}: {error} (run again with --debug for a traceback)", 1
