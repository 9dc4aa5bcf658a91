"""Options shared by several commands, each with its environment variable."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["fp32", "bf16"]
Format = Literal["table", "markdown", "csv", "json", "latex", "html"]
LogTo = Literal["tensorboard"]


def _format_option(formats: Sequence[str], help: str) -> Any:
    """Return the option of a command that has these formats only.

    PSE_REPRO_FORMAT is for all commands: where it names a format that this one lacks, the command takes its default.
    """

    def supported(context: typer.Context, param: typer.CallbackParam, value: str) -> str:
        if value in formats:
            return value
        source = context.get_parameter_source(str(param.name))
        if source is not None and source.name == "ENVIRONMENT":
            return formats[0]
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(map(repr, formats))}.")

    metavar = f"<{'|'.join(formats)}>"
    return typer.Option(
        "--format", case_sensitive=False, callback=supported, envvar="PSE_REPRO_FORMAT", metavar=metavar, help=help
    )


DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="PSE_REPRO_DATA",
        help="Folder of STL-10's binary files (or others in that layout), or a file made by `data fetch --tiny`. "
        "[default: $XDG_DATA_HOME/pse-repro]",
    ),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", envvar="PSE_REPRO_OUT", help="Run directory. [default: runs/STUDY]")
]
ProtocolOption = Annotated[
    list[str] | None,
    typer.Option(
        "--protocol", envvar="PSE_REPRO_PROTOCOL", help="Name or TOML file of a protocol; repeat for several."
    ),
]
DeviceOption = Annotated[
    Device, typer.Option("--device", case_sensitive=False, envvar="PSE_REPRO_DEVICE", help="Device to compute on.")
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        case_sensitive=False,
        envvar="PSE_REPRO_PRECISION",
        help="fp32, as the author used, or bf16 autocast.",
    ),
]
DeterministicOption = Annotated[
    bool,
    typer.Option(
        "--deterministic",
        envvar="PSE_REPRO_DETERMINISTIC",
        help="Make two runs on this machine equal bit for bit, on a GPU too (slower there); see docs/determinism.md.",
    ),
]
JointFoldsOption = Annotated[
    bool,
    typer.Option(
        "--joint-folds/--no-joint-folds",
        envvar="PSE_REPRO_JOINT_FOLDS",
        help="Train the classifiers of folds that share an encoder jointly, or one after another (the default); the "
        "numbers are the same, up to rounding.",
    ),
]
CudaGraphsOption = Annotated[
    bool,
    typer.Option(
        "--cuda-graphs/--no-cuda-graphs",
        envvar="PSE_REPRO_CUDA_GRAPHS",
        help="On a GPU, capture steps as CUDA graphs where they can be (the default), or let Python launch each "
        "operation; the numbers are the same.",
    ),
]
SeedsOption = Annotated[
    int,
    typer.Option(
        "--seeds",
        min=1,
        envvar="PSE_REPRO_SEEDS",
        help="Independent repetitions of every model; the study's claims need about 8, and at least 3 (see plan).",
    ),
]
UntilDecidedOption = Annotated[
    bool,
    typer.Option(
        "--until-decided",
        envvar="PSE_REPRO_UNTIL_DECIDED",
        help="Judge the claims after 5, 8, 12 and 20 seeds, up to --seeds, and stop once they are decided; each look "
        "has its share of the error rate.",
    ),
]
JobsOption = Annotated[
    int,
    typer.Option(
        "--jobs",
        min=1,
        envvar="PSE_REPRO_JOBS",
        help="Number of models trained in parallel, in processes that share the cores or are spread over the GPUs.",
    ),
]
FreshOption = Annotated[
    bool,
    typer.Option(
        "--fresh/--resume", envvar="PSE_REPRO_FRESH", help="Move an earlier run aside, or resume it (the default)."
    ),
]
RepairOption = Annotated[
    bool,
    typer.Option(
        "--repair",
        envvar="PSE_REPRO_REPAIR",
        help="Set files of the run that were altered or deleted aside (RUN/set-aside), and make exactly those again.",
    ),
]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict",
        envvar="PSE_REPRO_STRICT",
        help="Also exit with 1 if a number is outside, missing, not comparable or ignored, or a claim fails.",
    ),
]
LogToOption = Annotated[
    LogTo | None,
    typer.Option(
        "--log-to",
        case_sensitive=False,
        envvar="PSE_REPRO_LOG_TO",
        help="Also log every epoch's values to RUN/tensorboard (pip install 'pse-repro[tensorboard]').",
    ),
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        "--budget",
        envvar="PSE_REPRO_BUDGET",
        help="Pre-training budget of every model, instead of the study's: '20000 images', '500 steps' or '600 s'.",
    ),
]
WithoutTestOption = Annotated[
    bool,
    typer.Option(
        "--without-test",
        envvar="PSE_REPRO_WITHOUT_TEST",
        help="Leave unlabelled images that equal a test image pixel by pixel out of pre-training; the numbers are then "
        "not comparable with the published ones.",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", envvar="PSE_REPRO_QUIET", help="Only results, no progress.")]
FormatOption = Annotated[Format, _format_option(get_args(Format), "Format of the comparison.")]
BenchFormatOption = Annotated[Format, _format_option(("table", "markdown", "csv", "json"), "Format of the result.")]
TextFormatOption = Annotated[Format, _format_option(("table", "markdown", "json"), "table, markdown or json.")]
ShortFormatOption = Annotated[Format, _format_option(("table", "json"), "table for people, json for programs.")]
RunArgument = Annotated[
    Path | None, typer.Argument(metavar="[RUN]", help="Run directory. [default: the newest in runs/]")
]
