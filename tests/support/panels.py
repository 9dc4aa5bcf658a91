"""Figures for tests: the Figure of a Drawing, and the pixels of each of its panels."""

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pse_repro.report.pictures.plots import Drawing

BLANK = 0.02  # standard deviation of a panel's pixels, frame included; higher if something is drawn


def drawn(draw: Callable[[], Drawing]) -> tuple[Drawing, Figure]:
    """Return the result of `draw` and its figure; assert that a second call gives the same bytes."""
    figures: list[Figure] = []
    saved = Figure.savefig

    def save(figure: Figure, *arguments: object, **options: object) -> None:
        figures.append(figure)
        saved(figure, *arguments, **options)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", save)
        drawing = draw()
        assert draw() == drawing
    assert drawing.content.startswith(b"\x89PNG" if drawing.kind == "png" else b"<?xml")
    return drawing, figures[0]


def rendered(figure: Figure) -> np.ndarray:
    """Return the figure's pixels (H, W, 3) in [0, 1]."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] / 255


def panel(picture: np.ndarray, axes: Axes) -> np.ndarray:
    """Return the pixels of one panel of a rendered figure, without ticks and titles."""
    left, bottom, right, top = axes.get_window_extent().extents.round().astype(int)
    return picture[len(picture) - top : len(picture) - bottom, left:right]


def assert_not_blank(figure: Figure) -> None:
    """Assert that no panel is blank or cut off at the figure's edge."""
    assert figure.axes
    picture = rendered(figure)
    for axes in figure.axes:
        assert panel(picture, axes)[2:-2, 2:-2].std() > BLANK, axes.get_title()
        box = axes.get_tightbbox()
        assert box is not None
        assert box.x0 > -1
        assert box.y0 > -1
        assert box.x1 < figure.bbox.x1 + 1
        assert box.y1 < figure.bbox.y1 + 1
