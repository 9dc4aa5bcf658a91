"""The options that commands share, each with its environment variable."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["fp32", "bf16"]
Format = Literal["table", "markdown", "csv", "json", "latex", "html"]
TextFormat = Literal["table", "markdown", "json"]
ShortFormat = Literal["table", "json"]
LogTo = Literal["tensorboard"]


DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="PSE_REPRO_DATA",
        help="Folder of STL-10's binary files (or of others in that layout), or a file that `data fetch --tiny` made. "
        "[default: $XDG_DATA_HOME/pse-repro]",
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
JobsOption = Annotated[
    int,
    typer.Option(
        "--jobs",
        min=1,
        envvar="PSE_REPRO_JOBS",
        help="Models trained side by side, in processes that share the cores or take the GPUs in turn.",
    ),
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
LogToOption = Annotated[
    LogTo | None,
    typer.Option(
        "--log-to",
        envvar="PSE_REPRO_LOG_TO",
        help="Also log every epoch's values, into RUN/tensorboard (pip install 'pse-repro[tensorboard]').",
    ),
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        "--budget",
        envvar="PSE_REPRO_BUDGET",
        help="Pre-training of every model, instead of the study's: '20000 images', '500 steps' or '600 s'.",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", envvar="PSE_REPRO_QUIET", help="No progress, only results.")]
FormatOption = Annotated[
    Format, typer.Option("--format", envvar="PSE_REPRO_FORMAT", help="How to print the comparison.")
]
ShortFormatOption = Annotated[
    ShortFormat, typer.Option("--format", envvar="PSE_REPRO_FORMAT", help="table for people, json for programs.")
]
RunArgument = Annotated[
    Path | None, typer.Argument(metavar="[RUN]", help="A run directory. [default: the newest in runs/]")
]
