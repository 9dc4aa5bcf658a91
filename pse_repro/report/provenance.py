"""Where a run's numbers come from: machine, versions, data, time, energy, commands, links to every cell's files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pse_repro.evaluation.registry import title_of
from pse_repro.study.cells import Cell
from pse_repro.study.record import Run
from pse_repro.text import NONE, duration

JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Link:
    """A file of the run; `path` is relative to the run's directory and quoted, so that it works beside the page."""

    text: str
    path: str


@dataclass(frozen=True)
class CellLinks:
    """One cell's files, in groups: its own, and those of each evaluation."""

    title: str
    groups: list[list[Link]]


def facts(run: Run) -> list[tuple[str, str]]:
    """Study, data, machine, versions, dates, time and energy; what differs between cells is listed."""
    notes = _notes(run)
    finished = sorted(note["finished"] for note in notes)
    machines = [", ".join(_part(name, value) for name, value in note["device"].items()) for note in notes]
    versions = [", ".join(f"{name} {value}" for name, value in note["versions"].items() if value) for note in notes]
    images = [", ".join(f"{count:,} {split}" for split, count in note["data"]["images"].items()) for note in notes]
    md5 = ", ".join(f"{name} {value}" for name, value in run.data["md5"].items())
    return [
        ("Study", f"{run.study.name} ({run.study.scale} scale)"),
        ("Protocol", ", ".join(protocol.name for protocol in run.protocols)),
        ("Data", f"{run.data['name']}{'' if run.data['name'] == 'stl10' else ' (not STL-10)'}"),
        ("Images", _distinct(images)),
        ("MD5 of the data", md5 or "none: the images are drawn by the kit"),
        ("Device", f"{run.device}: {_distinct(machines)}" if machines else run.device),
        ("Platform", _distinct(note["platform"] for note in notes if "platform" in note)),
        ("Precision", run.precision),
        ("Seeds", ", ".join(map(str, range(run.seeds)))),
        ("Versions", _distinct(versions)),
        ("Git commit", _distinct(_commit(note.get("git")) for note in notes)),
        ("Cells finished", " to ".join(dict.fromkeys((finished[0], finished[-1]))) if finished else NONE),
        ("Computing time", duration(_seconds(notes)) if notes else NONE),
        ("Energy", _energy(notes)),
    ]


def commands(run: Run) -> list[str]:
    """What makes the run again, from the data to the report; DIR stands for the folder of the images."""
    fetch = ["pse-repro data fetch --data DIR"] if run.data["name"] == "stl10" else []
    return [*fetch, run.command(), "pse-repro compare", "pse-repro report"]


def files(run: Run) -> list[CellLinks]:
    """The files of every cell that has any; work that two protocols share is linked from both."""
    found = (CellLinks(run.title(cell), [group for group in _groups(run, cell) if group]) for cell in run.cells)
    return [each for each in found if each.groups]


def _groups(run: Run, cell: Cell) -> Iterator[list[Link]]:
    stored = run.files(cell)
    own = (stored.provenance, stored.pretraining, stored.curves, stored.reconstructions)
    yield [_link(run, path, path.name) for path in own if path.is_file()]
    for evaluation in cell.evaluations:
        name = title_of(evaluation)
        yield [_link(run, path, f"{name}, {path.stem.replace('-', ' ')}") for path in stored.stored_folds(evaluation)]


def _link(run: Run, path: Path, text: str) -> Link:
    return Link(text, quote(path.relative_to(run.directory).as_posix()))


def _notes(run: Run) -> list[dict[str, Any]]:
    return [note for cell in run.cells if (note := run.provenance(cell))]


def _seconds(notes: Iterable[dict[str, Any]]) -> float:
    """Of all work, that which cells share counted once."""
    spent = {}
    for number, note in enumerate(notes):
        for part, seconds in note["seconds"].items():
            folder = note.get("folders", {}).get(part.partition("/")[0], number)
            spent[folder, part] = seconds
    return float(sum(spent.values()))


def _energy(notes: Sequence[dict[str, Any]]) -> str:
    joules = [float(note["energy_joules"]) for note in notes if note.get("energy_joules") is not None]
    if not joules:
        return "not told by the driver"
    total = sum(joules)
    return (
        f"{total / JOULES_PER_KWH:.3g} kWh ({total:.3g} J) of the processors' packages while {len(joules)} of "
        f"{len(notes)} cells ran, with whatever else ran on them; a GPU's is not in it"
    )


def _part(name: str, value: object) -> str:
    """Of a machine's description."""
    if name == "memory_bytes" and isinstance(value, int):
        return f"{value / 2**30:.0f} GiB"
    return str(value) if name == "name" else f"{value} {name}"


def _commit(git: dict[str, Any] | None) -> str:
    if git is None:
        return "not recorded (no checkout)"
    return f"{git['commit']}{' with uncommitted changes' if git['dirty'] else ''}"


def _distinct(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts)) or NONE
