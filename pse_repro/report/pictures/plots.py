"""What all figures of a report share: colours and marks, grids of panels, and a Figure's bytes as SVG or PNG.

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

SCREEN_DPI = 96  # a browser's: figures are shown in the size in inches that they are made for
PRINT_DPI = 120
BACKGROUND = "#f4f3ef"  # neutral: reads on a light and on a dark page
GRID = "#dddddd"
# Okabe and Ito's colours, without the yellow: told apart with any colour vision. Dashes and marks tell them apart in
# black and white, and the second seven from the first.
COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
MOST_COLUMNS = 4  # of panels side by side


@dataclass(frozen=True)
class Drawing:
    """The bytes of a PNG or SVG file, and its width on a page, in the page's pixels."""

    content: bytes
    width: int
    kind: Literal["png", "svg"] = "png"


def style(place: int) -> dict[str, Any]:
    """Colour, dash and mark of the line at `place` in a figure, for `Axes.plot`."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "linestyle": DASHES[place % len(DASHES)],
        "marker": MARKS[place % len(MARKS)],
    }


def grid(
    count: int, width: float, height: float, columns: int = MOST_COLUMNS, share: Literal["", "all", "rows"] = ""
) -> tuple[Figure, list[Axes]]:
    """`count` white panels, row by row, each of that size in inches with its ticks and titles.

    `share`: "all" have both axes in common, or those of a row ("rows") their y axis.
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
    """Logarithmic, with plain numbers at 1, 2 and 5."""
    getattr(axes, f"set_{which}scale")("log")
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def legend(figure: Figure, handles: dict[str, Any]) -> None:
    """Below all panels, as wide as they: names and what they are drawn with."""
    letters = max(map(len, handles), default=0)
    columns = max(1, min(len(handles), int(figure.get_figwidth() / (0.6 + 0.08 * letters))))
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )


def as_svg(figure: Figure) -> Drawing:
    """Text as outlines: the same picture everywhere, and the same bytes for the same data."""
    with rc_context({"svg.hashsalt": "pse-repro", "svg.fonttype": "path"}):
        return _saved(figure, "svg", {"Date": None, "Creator": None})


def as_png(figure: Figure, dpi: int = PRINT_DPI) -> Drawing:
    """The same bytes for the same data (no date, no version)."""
    return _saved(figure, "png", {"Software": None}, dpi)


def as_small_png(figure: Figure, dpi: int = PRINT_DPI) -> Drawing:
    """In 256 colours of its own: a third of the bytes."""
    drawing, buffer = as_png(figure, dpi), io.BytesIO()
    image = Image.open(io.BytesIO(drawing.content)).convert("RGB")
    image.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
    return replace(drawing, content=buffer.getvalue())


def _saved(figure: Figure, kind: Literal["png", "svg"], metadata: dict[str, Any], dpi: int = PRINT_DPI) -> Drawing:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, facecolor=BACKGROUND, metadata=metadata, dpi=dpi)
    return Drawing(buffer.getvalue(), round(figure.get_figwidth() * SCREEN_DPI), kind)
