"""Commands on the images: data fetch, verify, info, sample."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pse_repro.cli.options import DataOption, QuietOption, ShortFormatOption


class SplitName(StrEnum):
    unlabeled = "unlabeled"
    train = "train"
    test = "test"


def fetch(
    data: DataOption = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", envvar="PSE_REPRO_FROM", help="Another URL of the archive, or a file. [default: the official]"
        ),
    ] = None,
    md5: Annotated[
        str | None,
        typer.Option("--md5", envvar="PSE_REPRO_MD5", help="MD5 of --from, where it is not the official archive."),
    ] = None,
    keep_archive: Annotated[
        bool, typer.Option("--keep-archive", envvar="PSE_REPRO_KEEP_ARCHIVE", help="Do not delete it when unpacked.")
    ] = False,
    tiny: Annotated[
        int | None,
        typer.Option(
            "--tiny", min=1, envvar="PSE_REPRO_TINY",
            help="Only the first images of each split, into one small file: stops the download as soon as it has them.",
        ),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", envvar="PSE_REPRO_TO", help="--tiny: the small file. [default: in the cache]")
    ] = None,
    quiet: QuietOption = False,
) -> None:  # fmt: skip
    """Get STL-10 (2.6 GB), prove it is the right one, unpack it; prints where. Stopped, it continues when called again.

    Example: `pse-repro data fetch --data /data`
    """
    from pse_repro.commands import data as commands

    if tiny is None:
        typer.echo(commands.fetch(data, source, md5, keep_archive, quiet))
    else:
        typer.echo(commands.fetch_tiny(tiny, to, source, quiet))


def verify(data: DataOption = None, format: ShortFormatOption = "table", quiet: QuietOption = False) -> None:
    """Prove that a folder holds STL-10: sizes, MD5s, classes, the study's folds. Exit status 3 where it does not.

    Example: `pse-repro data verify --data /data`
    """
    from pse_repro.commands import data as commands

    text, status = commands.verify(data, format, quiet)
    typer.echo(text)
    raise typer.Exit(status)


def info(
    data: DataOption = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", envvar="PSE_REPRO_SHEET", help="Also write a contact sheet (PNG) there.")
    ] = None,
    split: Annotated[
        SplitName, typer.Option("--split", envvar="PSE_REPRO_SPLIT", help="The split that the sheet shows.")
    ] = SplitName.train,
    format: ShortFormatOption = "table",
    quiet: QuietOption = False,
) -> None:
    """Say what the images are: counts, classes, fingerprints, statistics of values, duplicates, folds.

    Example: `pse-repro data info --data /data --sheet train.png --split train`
    """
    from pse_repro.commands import data as commands

    typer.echo(commands.info(data, sheet, split.value, format, quiet))


def sample(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="A folder; the files go to DIR/stl10_binary.")],
) -> None:
    """Write the embedded sample, which the kit draws itself, in STL-10's layout (133 MB); prints where.

    Example: `pse-repro data sample drawn`
    """
    from pse_repro.data.sample.embedded import write_sample

    typer.echo(write_sample(data))
