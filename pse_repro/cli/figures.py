"""Commands that draw: demo."""

from pathlib import Path
from typing import Annotated

import typer

from pse_repro.cli.options import DataOption


def demo(
    data: DataOption = None,
    image: Annotated[
        int, typer.Option("--image", envvar="PSE_REPRO_IMAGE", help="Which unlabelled image, from 0.")
    ] = 0,
    sigma: Annotated[
        float, typer.Option("--sigma", envvar="PSE_REPRO_SIGMA", help="PSE's standard deviation in pixels.")
    ] = 3.0,
    out: Annotated[
        Path, typer.Option("--out", envvar="PSE_REPRO_OUT", help="The figure: a .png, .svg or .pdf file.")
    ] = Path("demo.png"),
    seed: Annotated[int, typer.Option("--seed", min=0, envvar="PSE_REPRO_SEED", help="Where the noise falls.")] = 0,
) -> None:
    """Show what PSE punishes and MSE does not: one image, a blob and noise of equal MSE, losses and gradients.

    Example: `pse-repro demo --data /data --image 7 --sigma 3 --out demo.svg`
    """
    from pse_repro.report.demo import demo as draw_demo

    typer.echo(draw_demo(data, image, sigma, out, seed))
