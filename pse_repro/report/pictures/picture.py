"""What a report's sections are made of, and which of a run's cells their pictures show.

A page has room for a few models: of many protocols and models the first are pictured, and what is left out is said.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pse_repro.data.stl10 import CLASS_NAMES
from pse_repro.report.pictures.plots import Drawing
from pse_repro.study import store
from pse_repro.study.address import CellFiles
from pse_repro.study.cells import Cell
from pse_repro.study.record import Run

MOST_PROTOCOLS = 2  # that have a picture each
MOST_MODELS = 8  # in one picture
_NAMED = ("stl10", "embedded-sample")  # data sets of these classes
_TYPES = {"png": "image/png", "svg": "image/svg+xml"}


@dataclass(frozen=True)
class Picture:
    """A figure of the report.

    `name` is its file in figures/, with suffix; `alt` tells what it shows to who cannot see it; `caption` stands below
    it and gives n, protocol and data.
    """

    name: str
    alt: str
    caption: str
    drawing: Drawing

    @property
    def source(self) -> str:
        """A data URI: what an <img> on a page of one file loads."""
        return f"data:{_TYPES[self.drawing.kind]};base64," + base64.b64encode(self.drawing.content).decode()

    @property
    def path(self) -> str:
        """Relative to the run's directory, quoted for a link."""
        return "figures/" + quote(self.name)


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph (plain text; maybe empty) and pictures (at least one)."""

    title: str
    words: str
    pictures: list[Picture]


@dataclass(frozen=True)
class Group:
    """Cells of one protocol and one seed that share a picture; `left_out` more models have no room in it."""

    protocol: str
    cells: list[Cell]
    left_out: int

    @property
    def file(self) -> str:
        """The protocol as part of a file's name."""
        return self.protocol.replace("/", "-")


def groups(run: Run, ready: Callable[[Cell], bool], folder: Callable[[Cell], object]) -> tuple[list[Group], str]:
    """The cells to picture, a group a protocol, and a sentence on what is left out ("": nothing).

    Of each model its first seed that is `ready`. A model whose `folder` an earlier protocol has pictured is not
    pictured again: what two protocols share looks the same under both.
    """
    seen: set[object] = set()
    found: list[Group] = []
    for protocol in run.protocols:
        cells = {}
        for cell in run.cells:
            if cell.protocol.name == protocol.name and cell.model not in cells and ready(cell):
                cells[cell.model] = cell
        new = [cell for cell in cells.values() if folder(cell) not in seen]
        seen |= {folder(cell) for cell in new}
        if new:
            found.append(Group(protocol.name, new[:MOST_MODELS], len(new[MOST_MODELS:])))
    pictured, others = found[:MOST_PROTOCOLS], found[MOST_PROTOCOLS:]
    models = sum(group.left_out for group in pictured)
    return pictured, not_pictured({"model": models, "protocol": len(others)})


def groups_with(run: Run, file: Callable[[CellFiles], Path]) -> tuple[list[Group], str]:
    """Cells whose pre-training has left that file."""
    return groups(run, lambda cell: file(run.files(cell)).is_file(), lambda cell: run.files(cell).model)


def not_pictured(counts: Mapping[str, int]) -> str:
    """A sentence on how many of what have no room; "" where that is none of anything."""
    parts = [f"{count} more {noun}{'s' * (count > 1)}" for noun, count in counts.items() if count > 0]
    return f"Not pictured: {' and '.join(parts)}." if parts else ""


def conditions(run: Run, group: Group, what: str) -> str:
    """The end of a caption: how many of what, under which protocol, on which data."""
    seed = f"; seed {group.cells[0].seed}" if run.seeds > 1 and "seed" not in what else ""
    return f"n = {what}{seed}; protocol {group.protocol}; data: {run.data['name']}."


def class_names(run: Run) -> tuple[str, ...]:
    """Those of the run's sample of test images; before there is one STL-10's, where they hold, else numbers."""
    if run.run_files.test_sample.is_file():
        return tuple(map(str, store.read_npz(run.run_files.test_sample)["class_names"]))
    if run.data["name"] in _NAMED:
        return CLASS_NAMES
    return tuple(f"class {number}" for number in range(1, len(CLASS_NAMES) + 1))


def paragraph(*texts: str) -> str:
    """Those that are not empty."""
    return " ".join(text for text in texts if text)
