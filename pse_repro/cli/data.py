"""Image commands: data fetch, verify, info, sample."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pse_repro.cli.options import DataOption, QuietOption, ShortFormatOption

SplitName = Literal["unlabeled", "train", "test"]


def fetch(
    data: DataOption = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", envvar="PSE_REPRO_FROM", help="URL or file of the archive. [default: the official URL]"
        ),
    ] = None,
    md5: Annotated[
        str | None,
        typer.Option("--md5", envvar="PSE_REPRO_MD5", help="MD5 of the --from archive, if it is not the official one."),
    ] = None,
    keep_archive: Annotated[
        bool, typer.Option("--keep-archive", envvar="PSE_REPRO_KEEP_ARCHIVE", help="Keep the archive after unpacking.")
    ] = False,
    tiny: Annotated[
        int | None,
        typer.Option(
            "--tiny", min=1, envvar="PSE_REPRO_TINY",
            help="Fetch only the first images of each split, into one small file; the download stops after them.",
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            dir_okay=False,
            envvar="PSE_REPRO_TO",
            help="With --tiny: path of that file. [default: in the cache]",
        ),
    ] = None,
    quiet: QuietOption = False,
) -> None:  # fmt: skip
    """Download STL-10 (2.6 GB), verify and unpack it; print the folder. An interrupted download is resumed.

    Example: `pse-repro data fetch --data /data`
    """
    from pse_repro.commands import data as commands

    if tiny is None:
        typer.echo(commands.fetch(data, source, md5, keep_archive, quiet))
    else:
        typer.echo(commands.fetch_tiny(tiny, to, source, quiet))


def verify(data: DataOption = None, format: ShortFormatOption = "table", quiet: QuietOption = False) -> None:
    """Verify that a folder holds STL-10: sizes, MD5s, classes, the study's folds. Exit status 3 if it does not.

    It also counts the unlabelled images that equal a test or a labelled image, in any images of that layout.

    Example: `pse-repro data verify --data /data`
    """
    from pse_repro.commands import data as commands

    text, status = commands.verify(data, format, quiet)
    typer.echo(text)
    raise typer.Exit(status)


def info(
    data: DataOption = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            "--sheet", dir_okay=False, envvar="PSE_REPRO_SHEET", help="Also write a contact sheet (a PNG file)."
        ),
    ] = None,
    split: Annotated[
        SplitName,
        typer.Option(
            "--split", case_sensitive=False, envvar="PSE_REPRO_SPLIT", help="Split shown on the contact sheet."
        ),
    ] = "train",
    format: ShortFormatOption = "table",
    quiet: QuietOption = False,
) -> None:
    """Summarise the data set: counts, classes, checksums, pixel statistics, duplicates, folds.

    Example: `pse-repro data info --data /data --sheet train.png --split train`
    """
    from pse_repro.commands import data as commands

    typer.echo(commands.info(data, sheet, split, format, quiet))


def sample(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="Target folder; the files go to DIR/stl10_binary.")],
) -> None:
    """Write the embedded sample, images drawn by the kit itself, in STL-10's layout (133 MB); print the folder.

    Example: `pse-repro data sample drawn`
    """
    from pse_repro.data.sample.embedded import write_sample

    typer.echo(write_sample(data))
