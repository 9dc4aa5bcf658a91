"""The demo command: one image, its kinds of damage, and their losses."""

import math
from pathlib import Path

import torch
from torch import Tensor

from pse_repro.data.batches import Images
from pse_repro.data.choose import find_data
from pse_repro.data.stl10 import SIDE, Dataset
from pse_repro.errors import UsageError
from pse_repro.progress.stages import Progress
from pse_repro.report import demo_figure
from pse_repro.report.demo import compare_errors, losses_table


def demo(data: Path | None, number: int, sigma: float, out: Path, seed: int) -> str:
    """Draw the figure of one image to `out` (.png, .svg or .pdf); return its path and the losses as a short table.

    Raises:
        UsageError: the sigma, the image number or the kind of file is invalid.
        NotFitError: the images cannot be read, or the figure cannot be written.
    """
    check_sigma(sigma)
    demo_figure.check_path(out)
    with Progress() as progress:
        image = choose_image(find_data(data, True, progress), number)
    shown = compare_errors(image, sigma, seed)
    demo_figure.write(demo_figure.draw(shown), out)
    return f"{out}\n\n{losses_table(shown)}"


def check_sigma(sigma: float) -> None:
    """Raise UsageError unless `sigma` is from 0 to the width of an image, in pixels."""
    if not (math.isfinite(sigma) and 0 <= sigma <= SIDE):
        raise UsageError(f"sigma is {sigma:g}; expected 0 to {SIDE} pixels, an image's width: give another --sigma")


def choose_image(data: Dataset, number: int) -> Tensor:
    """Return unlabelled image `number`, counted from 0; UsageError if it does not exist."""
    images = Images(data.unlabeled, torch.device("cpu"))
    if not 0 <= number < len(images):
        raise UsageError(
            f"image is {number}; expected 0 to {len(images) - 1}, an unlabelled image of {data.name}: "
            "give another --image"
        )
    return images[torch.tensor([number])][0].double()
