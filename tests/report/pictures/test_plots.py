"""Shared parts of figures: grids of panels, styles that differ in more than colour, reproducible bytes."""

import re

import pytest
from matplotlib.figure import Figure

from pse_repro.report.pictures.plots import BACKGROUND, SCREEN_DPI, as_png, as_small_png, as_svg, grid, legend, style
from tests.support.panels import drawn


def a_figure() -> Figure:
    figure, panels = grid(3, 2.0, 1.5, columns=2)
    for number, axes in enumerate(panels):
        axes.plot([0, 1], [number, 1], **style(number), label="a line")
        axes.set_title("title")
    return figure


@pytest.mark.parametrize("save", [as_svg, as_png, as_small_png])
def test_the_same_figure_gives_the_same_bytes_and_the_width_of_the_page(save) -> None:  # type: ignore[no-untyped-def]
    drawing, _ = drawn(lambda: save(a_figure()))
    assert drawing.width == 4 * SCREEN_DPI
    assert drawing.kind == ("svg" if save is as_svg else "png")


def test_svg_has_no_fonts_dates_or_addresses_to_load() -> None:
    text = as_svg(a_figure()).content.decode()
    assert "<text" not in text
    assert "font-family" not in text
    assert "<dc:date>" not in text
    assert not re.search(r'(href|src)="(?!#)', text)
    assert BACKGROUND in text


def test_fourteen_lines_differ_in_dash_or_mark_too() -> None:
    looks = [style(place) for place in range(14)]
    assert len({(str(look["linestyle"]), look["marker"]) for look in looks}) == 14
    assert len({(look["color"], look["marker"]) for look in looks}) == 14


def test_panels_share_all_axes_or_those_of_a_row() -> None:
    _, every = grid(4, 2, 2, columns=2, share="all")
    every[3].set(xlim=(0, 7), ylim=(0, 9))
    assert {axes.get_xlim() for axes in every} == {(0, 7)}
    assert {axes.get_ylim() for axes in every} == {(0, 9)}
    _, rows = grid(4, 2, 2, columns=2, share="rows")
    rows[1].set(xlim=(0, 7), ylim=(0, 9))
    assert rows[0].get_ylim() == (0, 9)
    assert rows[2].get_ylim() == rows[0].get_xlim() == (0, 1)


@pytest.mark.parametrize("names", [["MSE"], [f"a model with a long name {n}" for n in range(7)]])
def test_a_legend_is_not_wider_than_its_figure(names: list[str]) -> None:
    figure, panels = grid(1, 3.2, 2.0)
    legend(figure, {name: panels[0].plot([0, 1])[0] for name in names})
    figure.canvas.draw()
    [found] = figure.legends
    box = found.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert [text.get_text() for text in found.get_texts()] == names
