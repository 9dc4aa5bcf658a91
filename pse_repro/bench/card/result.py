"""What came of a card's parts: card.json (schemas/card.schema.json) for programs, card.md for people."""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pse_repro.files import write_bytes
from pse_repro.text import table, to_json

State = Literal["ok", "failed", "stopped", "omitted", "not begun"]
NOTES = "notes.jsonl"  # what the parts found, a line each, written at once: it outlasts a part that is killed


@dataclass(frozen=True)
class Figure:
    """One thing that a part found: a number with its unit, or a text."""

    name: str
    value: float | str
    unit: str = ""


@dataclass(frozen=True)
class Part:
    """One part of a card.

    `state` is "stopped" if it was killed at its limit, "omitted" if this installation or device has nothing to do for
    it, "not begun" if no time was left.
    """

    name: str
    state: State
    seconds: float
    max_seconds: float
    message: str  # the reason, if it is not ok
    figures: tuple[Figure, ...]

    @property
    def ended_well(self) -> bool:
        return self.state in ("ok", "omitted")

    def __str__(self) -> str:
        return f"{self.name}: {self.state} after {self.seconds:.0f} s" + (f"; {self.message}" if self.message else "")


@dataclass(frozen=True)
class Card:
    """All parts so far; `date` is YYYY-MM-DD."""

    date: str
    device: Literal["cpu", "cuda"]
    quick: bool  # tiny sizes, to check that it runs: the figures are meaningless
    minutes: float
    data: str
    parts: tuple[Part, ...] = ()

    @property
    def exit_status(self) -> int:
        return 0 if all(part.ended_well for part in self.parts) else 3

    def with_part(self, part: Part) -> "Card":
        return dataclasses.replace(self, parts=(*self.parts, part))

    def as_json(self) -> str:
        return to_json(dataclasses.asdict(self))

    def as_markdown(self) -> str:
        lines = [f"# {self.date}, {self.device}, {self.minutes:g} minutes, images: {self.data}", ""]
        lines += ["Quick: tiny sizes; these figures are meaningless.", ""] if self.quick else []
        states = [
            [part.name, part.state, f"{part.seconds:.0f}", f"{part.max_seconds:.0f}", part.message]
            for part in self.parts
        ]
        lines.append(table(("part", "state", "seconds", "at most", "reason"), "llrrl", states, "pipe"))
        for part in self.parts:
            if part.figures:
                rows = [[figure.name, _shown(figure.value), figure.unit] for figure in part.figures]
                lines += ["", f"## {part.name}", "", table(("what", "value", "unit"), "lrl", rows, "pipe")]
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        write_bytes(folder / "card.json", self.as_json().encode() + b"\n")
        write_bytes(folder / "card.md", self.as_markdown().encode() + b"\n")


def _shown(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def add_note(folder: Path, part: str, **note: Any) -> None:
    """Append a line to the notes: a figure's fields, or a `message`."""
    with (folder / NOTES).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"part": part} | note) + "\n")


def read_notes(folder: Path, part: str) -> tuple[tuple[Figure, ...], str]:
    """Return the figures of a part and its message, empty if there is none; a line that a kill cut off is left out."""
    figures, message = [], ""
    for note in _lines(folder / NOTES):
        if note.pop("part") == part:
            message = note.pop("message", message)
            figures += [Figure(**note)] if note else []
    return tuple(figures), message


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue
