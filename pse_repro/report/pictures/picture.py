"""Pictures and sections of a report, and the selection of the cells that they show.

A page has room for a few models: only the first protocols and models are pictured, and the page counts the others.
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

MAX_PROTOCOLS = 2  # with a picture each
MAX_MODELS = 8  # per picture
_NAMED = ("stl10", "embedded-sample")  # data sets with the classes of STL-10
_TYPES = {"png": "image/png", "svg": "image/svg+xml"}


@dataclass(frozen=True)
class Picture:
    """A figure of the report.

    `name` is its file name in figures/; `alt` describes it for readers who cannot see it; `caption` is printed below it
    and states n, protocol and data.
    """

    name: str
    alt: str
    caption: str
    drawing: Drawing

    @property
    def source(self) -> str:
        """Data URI for an <img> on a self-contained page."""
        return f"data:{_TYPES[self.drawing.kind]};base64," + base64.b64encode(self.drawing.content).decode()

    @property
    def path(self) -> str:
        """Path relative to the run's directory, quoted for a link."""
        return "figures/" + quote(self.name)


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph of plain text (may be empty) and at least one picture."""

    title: str
    words: str
    pictures: list[Picture]


@dataclass(frozen=True)
class Group:
    """Cells of one protocol that share a picture, one per model; `left_out` counts the models not shown."""

    protocol: str
    cells: list[Cell]
    left_out: int

    @property
    def file(self) -> str:
        """Name of the protocol as part of a file name."""
        return self.protocol.replace("/", "-")


def groups(
    run: Run, ready: Callable[[Cell], bool], folder: Callable[[Cell], object], most: int = MAX_MODELS
) -> tuple[list[Group], str]:
    """Return the cells to picture, a group per protocol, and a sentence on what is left out ("" if nothing is).

    Each of at most `most` models is represented by its first seed that is `ready`. A model whose `folder` was pictured
    under an earlier protocol is not pictured again, because shared work looks the same under both.
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
            found.append(Group(protocol.name, new[:most], len(new[most:])))
    pictured, others = found[:MAX_PROTOCOLS], found[MAX_PROTOCOLS:]
    models = sum(group.left_out for group in pictured)
    return pictured, not_pictured({"model": models, "protocol": len(others)})


def groups_with(run: Run, file: Callable[[CellFiles], Path], most: int = MAX_MODELS) -> tuple[list[Group], str]:
    """Return the groups of cells that have the given file of pre-training, and the sentence of `groups`."""
    return groups(run, lambda cell: file(run.files(cell)).is_file(), lambda cell: run.files(cell).model, most)


def not_pictured(counts: Mapping[str, int]) -> str:
    """Return a sentence on how many protocols, models and so on are not pictured; "" if there are none."""
    parts = [f"{count} more {noun}{'s' * (count > 1)}" for noun, count in counts.items() if count > 0]
    return f"Not pictured: {' and '.join(parts)}." if parts else ""


def conditions(run: Run, group: Group, count: str) -> str:
    """Return the end of a caption: the sample size `count` with its unit, seed, protocol and data."""
    seed = f"; seed {group.cells[0].seed}" if run.seeds > 1 and "seed" not in count else ""
    return f"n = {count}{seed}; protocol {group.protocol}; data: {run.images_name}."


def class_names(run: Run) -> tuple[str, ...]:
    """Return the class names of the run's test sample.

    Without a test sample: STL-10's names if the data set has these classes, else numbered names.
    """
    if run.run_files.test_sample.is_file():
        return tuple(map(str, store.read_npz(run.run_files.test_sample)["class_names"]))
    if run.data["name"] in _NAMED:
        return CLASS_NAMES
    return tuple(f"class {number}" for number in range(1, len(CLASS_NAMES) + 1))


def paragraph(*texts: str) -> str:
    """Join the texts that are not empty."""
    return " ".join(text for text in texts if text)
