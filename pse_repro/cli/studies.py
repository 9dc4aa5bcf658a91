"""Commands that train and judge: the built-in studies, any study, one model; and what a study consists of."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from pse_repro.cli.options import (
    BudgetOption,
    DataOption,
    Device,
    DeviceOption,
    Format,
    FormatOption,
    FreshOption,
    JobsOption,
    LogTo,
    LogToOption,
    OutOption,
    Precision,
    PrecisionOption,
    ProtocolOption,
    QuietOption,
    RunArgument,
    SeedsOption,
    ShortFormat,
    ShortFormatOption,
    StrictOption,
)
from pse_repro.evaluation.registry import EVALUATIONS

StudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY.toml", help="A study's TOML file, or a built-in one's name.")
]


def _run(
    study: str, data: Path | None, out: Path | None, protocol: list[str] | None, device: Device, precision: Precision,
    seeds: int, jobs: int, fresh: bool, strict: bool, quiet: bool, format: Format, log_to: LogTo | None,
    budget: str | None = None,
) -> None:  # fmt: skip
    from pse_repro.commands import study as study_commands

    options = study_commands.RunOptions(
        data, out, protocol or [], device.value, precision.value, seeds, fresh, quiet, jobs, log_to and log_to.value,
        budget,
    )  # fmt: skip
    text, status = study_commands.run(study, options, format.value, strict)
    typer.echo(text)
    raise typer.Exit(status)


HELP = {
    "smoke": "Run everything once, small, in about a minute: the CNN pair, compared with golden values.\n\n"
    "Example: `pse-repro smoke --device cpu`",
    "quick": "The CNN pair on all of STL-10 at reduced length, for one GPU.\n\n"
    "Example: `pse-repro quick --data /data --precision bf16`",
    "full": "The study: seven models, both evaluations, five folds, compared with the published tables.\n\n"
    "Example: `pse-repro full --data /data --protocol as-released --protocol as-described`",
}


def _study_command(study: str, help: str) -> Callable[..., None]:
    def command(
        data: DataOption = None, out: OutOption = None, protocol: ProtocolOption = None,
        device: DeviceOption = Device.auto, precision: PrecisionOption = Precision.fp32, seeds: SeedsOption = 1,
        jobs: JobsOption = 1, fresh: FreshOption = False, strict: StrictOption = False, quiet: QuietOption = False,
        format: FormatOption = Format.table, log_to: LogToOption = None,
    ) -> None:  # fmt: skip
        _run(study, data, out, protocol, device, precision, seeds, jobs, fresh, strict, quiet, format, log_to)

    command.__doc__ = help
    return command


def smoke(
    data: DataOption = None, out: OutOption = None, protocol: ProtocolOption = None,
    device: DeviceOption = Device.auto, precision: PrecisionOption = Precision.fp32, seeds: SeedsOption = 1,
    jobs: JobsOption = 1, fresh: FreshOption = False, strict: StrictOption = False, quiet: QuietOption = False,
    format: FormatOption = Format.table, log_to: LogToOption = None,
    objectives: Annotated[
        bool,
        typer.Option(
            "--objectives", envvar="PSE_REPRO_OBJECTIVES", help="A few steps of every objective, not the CNN pair."
        ),
    ] = False,
) -> None:  # fmt: skip
    study = "smoke-objectives" if objectives else "smoke"
    _run(study, data, out, protocol, device, precision, seeds, jobs, fresh, strict, quiet, format, log_to)


smoke.__doc__ = HELP["smoke"]
BUILT_IN = {"smoke": smoke} | {study: _study_command(study, HELP[study]) for study in ("quick", "full")}


def run_any(
    study: StudyArgument,
    data: DataOption = None, out: OutOption = None, protocol: ProtocolOption = None, device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.fp32, seeds: SeedsOption = 1, jobs: JobsOption = 1,
    fresh: FreshOption = False, strict: StrictOption = False, quiet: QuietOption = False,
    format: FormatOption = Format.table, log_to: LogToOption = None, budget: BudgetOption = None,
) -> None:  # fmt: skip
    """Run any study, then compare, then report.

    Example: `pse-repro run my-study.toml --data photos --out runs/mine`
    """
    _run(study, data, out, protocol, device, precision, seeds, jobs, fresh, strict, quiet, format, log_to, budget)


def plan(
    study: StudyArgument, protocol: ProtocolOption = None, device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.fp32, seeds: SeedsOption = 1, format: ShortFormatOption = ShortFormat.table,
) -> None:  # fmt: skip
    """List the models that a study trains, and how long that would take here at least; trains nothing.

    Example: `pse-repro plan full --protocol as-released --protocol as-described --seeds 3`
    """
    from pse_repro.commands import study as study_commands

    typer.echo(study_commands.plan(study, protocol or [], device.value, precision.value, seeds, format.value))


def pretrain(
    encoder: Annotated[str, typer.Option("--encoder", envvar="PSE_REPRO_ENCODER", help="cnn or resnet.")],
    objective: Annotated[
        str,
        typer.Option(
            "--objective", envvar="PSE_REPRO_OBJECTIVE", help="mse, pse, simclr, ...: `plan objectives` lists them."
        ),
    ],
    sigma: Annotated[
        float | None,
        typer.Option("--sigma", envvar="PSE_REPRO_SIGMA", help="Standard deviation of pse and joint-pse in pixels."),
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1, envvar="PSE_REPRO_EPOCHS", help="Length.")] = 10,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, envvar="PSE_REPRO_BATCH_SIZE", help="[default: the protocol's]")
    ] = None,
    data: DataOption = None, out: OutOption = None, protocol: ProtocolOption = None, device: DeviceOption = Device.auto,
    precision: PrecisionOption = Precision.fp32, fresh: FreshOption = False, quiet: QuietOption = False,
    log_to: LogToOption = None,
) -> None:  # fmt: skip
    """Pre-train one model; prints the run directory, which `evaluate` takes.

    Example: `pse-repro pretrain --encoder cnn --objective pse --sigma 3 --epochs 2 --out runs/one`
    """
    from pse_repro.commands import study as study_commands

    options = study_commands.RunOptions(
        data, out, protocol or [], device.value, precision.value, 1, fresh, quiet, log_to=log_to and log_to.value
    )
    typer.echo(study_commands.pretrain(encoder, objective, sigma, epochs, batch_size, options))


def evaluate(
    run: RunArgument = None,
    evaluation: Annotated[
        list[str] | None,
        typer.Option(
            "--evaluation",
            envvar="PSE_REPRO_EVALUATION",
            metavar=f"<list[{'|'.join(EVALUATIONS)}]>",
            help="[default: finetune and frozen]",
        ),
    ] = None,
    data: DataOption = None, device: DeviceOption = Device.auto, quiet: QuietOption = False,
    log_to: LogToOption = None,
) -> None:  # fmt: skip
    """Judge the models of a run that `pretrain` made; prints their scores.

    Example: `pse-repro evaluate runs/one --evaluation frozen`
    """
    from pse_repro.commands import study as study_commands

    chosen = evaluation or [name for name, row in EVALUATIONS.items() if row.on_slides]
    text, status = study_commands.evaluate(run, chosen, data, device.value, quiet, log_to and log_to.value)
    typer.echo(text)
    raise typer.Exit(status)
