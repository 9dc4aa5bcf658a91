"""Training commands: the built-in studies, any study, one model, its evaluation; and the plan of a study."""

from dataclasses import replace
from typing import Annotated

import typer

from pse_repro.cli.options import (
    BudgetOption,
    DeviceOption,
    PrecisionOption,
    ProtocolOption,
    RunArgument,
    SeedsOption,
    ShortFormatOption,
)
from pse_repro.cli.run_command import run_command
from pse_repro.commands.options import RunOptions
from pse_repro.evaluation.registry import EVALUATIONS

StudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY.toml", help="TOML file of a study, or name of a built-in one.")
]


def _run(study: str, options: RunOptions) -> None:
    from pse_repro.commands import study as commands

    text, status = commands.run(study, options)
    typer.echo(text)
    raise typer.Exit(status)


@run_command(without=("without_test",))
def smoke(
    options: RunOptions,
    objectives: Annotated[
        bool,
        typer.Option(
            "--objectives", envvar="PSE_REPRO_OBJECTIVES", help="Run a few steps of every objective, not the CNN pair."
        ),
    ] = False,
) -> None:
    """Run everything once at a small scale, in about a minute: the CNN pair, compared with golden values.

    Example: `pse-repro smoke --device cpu`
    """
    _run("smoke-objectives" if objectives else "smoke", options)


@run_command()
def quick(options: RunOptions) -> None:
    """Run the CNN pair on all of STL-10 at reduced length, for one GPU.

    Example: `pse-repro quick --data /data --precision bf16`
    """
    _run("quick", options)


@run_command()
def full(options: RunOptions) -> None:
    """Run the study: seven models, both evaluations, five folds, compared with the published tables.

    Example: `pse-repro full --data /data --protocol as-released --protocol as-described`
    """
    _run("full", options)


@run_command()
def run_any(study: StudyArgument, options: RunOptions, budget: BudgetOption = None) -> None:
    """Run any study, compare its results and write its report.

    Example: `pse-repro run my-study.toml --data photos --out runs/mine`
    """
    _run(study, replace(options, budget=budget))


def plan(
    study: StudyArgument, protocol: ProtocolOption = None, device: DeviceOption = "auto",
    precision: PrecisionOption = "fp32", seeds: SeedsOption = 1, format: ShortFormatOption = "table",
) -> None:  # fmt: skip
    """List a study's models, the least time they take here, and what so many seeds could show; nothing is trained.

    Example: `pse-repro plan full --protocol as-released --protocol as-described --seeds 8`
    """
    from pse_repro.commands.plan import plan as plan_study

    typer.echo(plan_study(study, protocol or [], device, precision, seeds, format))


@run_command(without=("joint_folds", "seeds", "until_decided", "jobs", "strict", "format"))
def pretrain(
    encoder: Annotated[str, typer.Option("--encoder", envvar="PSE_REPRO_ENCODER", help="cnn or resnet.")],
    objective: Annotated[
        str,
        typer.Option(
            "--objective", envvar="PSE_REPRO_OBJECTIVE", help="mse, pse, simclr, ...; `plan objectives` lists them."
        ),
    ],
    sigma: Annotated[
        float | None,
        typer.Option(
            "--sigma",
            envvar="PSE_REPRO_SIGMA",
            help="Standard deviation of the kernel in pixels: for pse, blurred-mse, ...",
        ),
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1, envvar="PSE_REPRO_EPOCHS", help="Number of epochs.")] = 10,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, envvar="PSE_REPRO_BATCH_SIZE", help="[default: the protocol's]")
    ] = None,
    *,
    options: RunOptions,
) -> None:
    """Pre-train one model; print the run directory, for use with `evaluate`.

    Example: `pse-repro pretrain --encoder cnn --objective pse --sigma 3 --epochs 2 --out runs/one`
    """
    from pse_repro.commands import study as commands

    typer.echo(commands.pretrain(encoder, objective, sigma, epochs, batch_size, options))


@run_command(
    without=(
        *("out", "protocol", "without_test", "precision", "seeds", "until_decided", "jobs"),
        *("fresh", "strict", "format"),
    )
)
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
    *,
    options: RunOptions,
) -> None:
    """Evaluate the models of a run, such as one of `pretrain`; print their scores.

    Example: `pse-repro evaluate runs/one --evaluation frozen`
    """
    from pse_repro.commands import study as commands

    chosen = evaluation or [name for name, row in EVALUATIONS.items() if row.on_slides]
    text, status = commands.evaluate(run, chosen, options)
    typer.echo(text)
    raise typer.Exit(status)
