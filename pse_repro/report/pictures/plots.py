"""Shared parts of the report's figures: colours and marks, grids of panels, and encoding as SVG or PNG.

Figures are matplotlib's Figure objects: no pyplot, no global state. SVG for lines and points, PNG for images.
"""

import io
from dataclasses import dataclass, replace
from typing import Any, Literal

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from PIL import Image

SCREEN_DPI = 96  # CSS pixels per inch: figures appear on the page in the size in inches that they are made for
PRINT_DPI = 120
BACKGROUND = "#f4f3ef"  # neutral: suits a light and a dark page
GRID = "#dddddd"
# The palette of Okabe and Ito without yellow, distinguishable with any colour vision. Dashes and marks distinguish the
# lines in black and white, and the second seven lines from the first seven.
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
MAX_COLUMNS = 4  # panels side by side


@dataclass(frozen=True)
class Drawing:
    """The bytes of a PNG or SVG file, and its width on a page in CSS pixels."""

    content: bytes
    width: int
    kind: Literal["png", "svg"] = "png"


def style(number: int) -> dict[str, Any]:
    """Return colour, dash and mark, for `Axes.plot`, of line `number` (from 0) of a figure."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": DASHES[number % len(DASHES)],
        "marker": MARKS[number % len(MARKS)],
    }


def grid(
    count: int, width: float, height: float, columns: int = MAX_COLUMNS, share: Literal["", "all", "rows"] = ""
) -> tuple[Figure, list[Axes]]:
    """Create `count` white panels, row by row; `width` and `height` of a panel in inches include ticks and titles.

    `share`: "all" panels share both axes; with "rows", the panels of a row share their y axis.
    """
    columns = min(count, columns)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows), dpi=PRINT_DPI, facecolor=BACKGROUND)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06)
    panels: list[Axes] = []
    for number in range(count):
        column = number % columns
        x = panels[0] if share == "all" and panels else None
        y = x if share == "all" else panels[number - column] if share == "rows" and column else None
        axes = figure.add_subplot(rows, columns, number + 1, facecolor="white", sharex=x, sharey=y)
        axes.tick_params(labelsize=8, labelleft=not share or column == 0)
        panels.append(axes)
    return figure, panels


def log_axis(axes: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with plain numbers at 1, 2 and 5."""
    getattr(axes, f"set_{which}scale")("log")
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def legend(figure: Figure, handles: dict[str, Any]) -> None:
    """Add a legend below all panels, in as many columns as fit; `handles` maps names to artists."""
    letters = max(map(len, handles), default=0)
    columns = max(1, min(len(handles), int(figure.get_figwidth() / (0.6 + 0.08 * letters))))
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )


def as_svg(figure: Figure) -> Drawing:
    """Encode as SVG with text as outlines: it looks the same everywhere, and the same data give the same bytes."""
    with rc_context({"svg.hashsalt": "pse-repro", "svg.fonttype": "path"}):
        return _saved(figure, "svg", {"Date": None, "Creator": None})


def as_png(figure: Figure, dpi: int = PRINT_DPI) -> Drawing:
    """Encode as PNG without date and version: the same data give the same bytes."""
    return _saved(figure, "png", {"Software": None}, dpi)


def as_small_png(figure: Figure, dpi: int = PRINT_DPI) -> Drawing:
    """Encode as PNG with a palette of 256 colours: a third of the bytes."""
    drawing, buffer = as_png(figure, dpi), io.BytesIO()
    image = Image.open(io.BytesIO(drawing.content)).convert("RGB")
    image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
    return replace(drawing, content=buffer.getvalue())


def _saved(figure: Figure, kind: Literal["png", "svg"], metadata: dict[str, Any], dpi: int = PRINT_DPI) -> Drawing:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, facecolor=BACKGROUND, metadata=metadata, dpi=dpi)
    return Drawing(buffer.getvalue(), round(figure.get_figwidth() * SCREEN_DPI), kind)
