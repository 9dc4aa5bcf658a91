"""The figure of the demo: as wide as a README on GitHub, on a white background; no pyplot, no global state.

The layout is in inches from the top left corner. A pixel of the image covers a whole number of pixels of the PNG.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from pse_repro.errors import UsageError
from pse_repro.files import check_target, write_bytes
from pse_repro.report.demo import digits
from pse_repro.report.pictures.plots import COLOURS, SCREEN_DPI

if TYPE_CHECKING:
    from pse_repro.report.demo import Damage, Demo

METADATA: dict[str, dict[str, str | None]] = {  # removes dates and versions: the same data give the same bytes
    ".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None, "Producer": None}
}  # fmt: skip
DPI = 240  # 3 pixels for each pixel of a 96-pixel image that is PANEL wide
WIDTH, HEIGHT = 900 / SCREEN_DPI, 5.55
PANEL = 1.2
COLUMNS = (0.1, 1.5, 2.8, 4.1, 5.45, 6.8, 8.1)  # left edges: image, Y, R, R * K, losses, gradients of MSE and PSE
ROWS = (1.0, 2.45, 3.9)  # upper edges: blob, noise, blob of alternating signs
HEADER, ABOVE, FOOT = 0.76, 0.05, 5.2  # lower edge of the headers, gap below titles, upper edge of the colour scales
SMALL, LARGE = 8.5, 12.5  # points
MAP = "magma_r"  # lightness falls evenly, so that it can be read without colour, and small values are visible
MSE_COLOUR, PSE_COLOUR, BLURRED_COLOUR = "#767676", COLOURS[2], COLOURS[1]


def check_path(path: Path) -> None:
    """Check that a figure can be written, before it is drawn.

    Raises:
        UsageError: the suffix is that of no supported file format.
        NotFitError: the folder cannot be written.
    """
    if path.suffix.lower() not in METADATA:
        raise UsageError(f"the figure's file is {path}; expected a name that ends in {', '.join(METADATA)}: use --out")
    check_target(path)


def write(figure: Figure, path: Path) -> None:
    """Write the figure by atomic rename."""
    kind = path.suffix.lower()
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind[1:], metadata=METADATA[kind])
    write_bytes(path, buffer.getvalue())


def draw(demo: "Demo") -> Figure:
    """Draw the blob, the noise and the blob of alternating signs, each with residual, density, losses and gradients."""
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor="white")
    _headline(figure, demo)
    _panel(figure, COLUMNS[0], ROWS[1], demo.image)
    _text(figure, COLUMNS[0], ROWS[1] - ABOVE, "image X")
    damages = (demo.blob, demo.noise, demo.checkered)
    max_error = max(float(_mean(damage.residual).max()) for damage in damages)
    max_gradient = max(float(_mean(gradient).max()) for damage in damages for gradient in _gradients(damage))
    names = (
        f"blob: {demo.wrong} wrong pixels side by side",
        f"noise: {demo.wrong} wrong pixels, scattered",
        "the blob with signs as on a checkerboard; blurred: mean of ((Y \u2212 X) \u2217 K)\u00b2, without the modulus",
    )
    for top, name, damage in zip(ROWS, names, damages, strict=True):
        _text(figure, COLUMNS[1], top - ABOVE, name, weight="bold")
        _panel(figure, COLUMNS[1], top, damage.reconstruction)
        for left, values in zip(COLUMNS[2:4], (damage.residual, damage.density), strict=True):
            _panel(figure, left, top, values, max_error)
        _losses(figure, top, damage, max(damage.mse for damage in damages))
        for left, values in zip(COLUMNS[5:], _gradients(damage), strict=True):
            _panel(figure, left, top, values, max_gradient)
    _scale(figure, COLUMNS[2:4], max_error, "error (image: 0 to 1)")
    _scale(figure, COLUMNS[5:], max_gradient, "size of the gradient")
    return figure


def _headline(figure: Figure, demo: "Demo") -> None:
    """Write the message of the figure in one line, and a header of two lines above each column."""
    line = f"Equal MSE; clustered errors have {digits(demo.pse_ratio)} times the PSE of scattered ones"
    figure.text(0.5, 1 - 0.22 / HEIGHT, line, fontsize=LARGE, weight="bold", ha="center", va="center")
    headers = (
        "reconstruction\nY",
        "residual\nR = |Y \u2212 X|",
        f"density R \u2217 K,\nsigma {demo.sigma:g} pixels",
        "MSE: mean of R\u00b2\nPSE: of (R \u2217 K)\u00b2",
        "gradient of MSE\n|\u2202MSE / \u2202Y|",
        "gradient of PSE\n|\u2202PSE / \u2202Y|",
    )
    for left, header in zip(COLUMNS[1:], headers, strict=True):
        _text(figure, left, HEADER, header)


def _losses(figure: Figure, top: float, damage: "Damage", maximum: float) -> None:
    """Draw the losses as bars on a scale from 0 to `maximum`, each with its value above."""
    axes = _axes(figure, COLUMNS[4], top, PANEL, PANEL)
    axes.set(xlim=(0, maximum), ylim=(0, 1))
    bars = (
        (0.71, "MSE", damage.mse, MSE_COLOUR),
        (0.37, "PSE", damage.pse, PSE_COLOUR),
        (0.03, "blurred", damage.blurred, BLURRED_COLOUR),
    )
    for foot, name, value, colour in bars:
        axes.add_patch(Rectangle((0, foot), value, 0.12, color=colour, linewidth=0))
        axes.text(0, foot + 0.14, f"{name} {digits(value)}", fontsize=SMALL + 0.5, va="bottom", weight="bold")


def _panel(figure: Figure, left: float, top: float, values: Tensor, maximum: float | None = None) -> None:
    """Draw an image (3, H, W) in its colours or, with `maximum`, the mean absolute value over channels of a map.

    The colours of a map range from 0 to `maximum`.
    """
    axes = _axes(figure, left, top, PANEL, PANEL)
    if maximum is None:
        axes.imshow(values.permute(1, 2, 0).clamp(0, 1).numpy(), interpolation="nearest")
    else:
        axes.imshow(_mean(values).numpy(), MAP, interpolation="nearest", vmin=0, vmax=maximum)


def _scale(figure: Figure, lefts: tuple[float, ...], maximum: float, label: str) -> None:
    """Draw the colour scale, from 0 to `maximum`, of the panels above it."""
    axes = _axes(figure, lefts[0], FOOT, lefts[-1] + PANEL - lefts[0], 0.1)
    axes.imshow(np.linspace(0, 1, 256)[None], MAP, aspect="auto")
    for x, text, align in ((0, "0", "left"), (0.5, label, "center"), (1, digits(maximum), "right")):
        axes.text(x, -0.5, text, fontsize=SMALL, ha=align, va="top", transform=axes.transAxes)


def _axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes without ticks and frame; position and size in inches from the top left corner."""
    axes = figure.add_axes((left / WIDTH, 1 - (top + height) / HEIGHT, width / WIDTH, height / HEIGHT))
    axes.set_axis_off()
    return axes


def _text(figure: Figure, left: float, foot: float, text: str, weight: str = "normal") -> None:
    figure.text(left / WIDTH, 1 - foot / HEIGHT, text, fontsize=SMALL, weight=weight, va="bottom")


def _gradients(damage: "Damage") -> tuple[Tensor, Tensor]:
    return damage.mse_gradient, damage.pse_gradient


def _mean(values: Tensor) -> Tensor:
    """Return the mean absolute value over the channels: (C, H, W) to (H, W)."""
    return values.abs().mean(0)
