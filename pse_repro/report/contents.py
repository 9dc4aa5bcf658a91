"""What a report says: read from a run's directory and its comparison, and formatted once, as text, for both pages."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pse_repro.compare import Comparison, model_name
from pse_repro.config import Model, builtin
from pse_repro.study import store
from pse_repro.study.address import cell_folder, evaluation_folder, model_folder, stored_seeds
from pse_repro.study.cells import Cell, expand
from pse_repro.study.runner import Record, open_record, read_results
from pse_repro.tables import plain_cell

NONE = "-"  # no such number
_VERDICTS = {"within": "within tolerance", "no tolerance": "without a tolerance"}  # others are called as they are


@dataclass(frozen=True)
class Run:
    """A run's directory, read: its record, all cells it consists of (begun or not) and its results (maybe none yet)."""

    directory: Path
    record: Record
    cells: list[Cell]
    results: pd.DataFrame

    @classmethod
    def read(cls, directory: Path) -> "Run":
        record = open_record(directory)
        cells = expand(record.study, record.protocols, max(1, len(stored_seeds(directory))))
        columns = ["protocol", "encoder", "objective", "sigma", "seed", "evaluation", "fold", "metric", "value"]
        has_results = (directory / "results.csv").is_file()
        results = read_results(directory) if has_results else pd.DataFrame(columns=columns)
        return cls(directory, record, cells, results)

    @property
    def seeds(self) -> int:
        return 1 + max(cell.seed for cell in self.cells)

    @property
    def models(self) -> list[Model]:
        """The study's models, then its untrained encoders."""
        return list(dict.fromkeys(cell.model for cell in self.cells))

    def model_file(self, cell: Cell, name: str) -> Path:
        """A file of the cell's pre-training."""
        return model_folder(self.directory, cell) / name

    def fold_files(self, cell: Cell, evaluation: str) -> list[Path]:
        """The folds of the cell that are done."""
        return sorted(evaluation_folder(self.directory, cell, evaluation).glob("fold-*.npz"))

    def pretrained(self, cell: Cell) -> dict[str, Any]:
        """What pretrain.json says; empty before the pre-training is done."""
        return _json(self.model_file(cell, "pretrain.json"))

    def json(self, cell: Cell, name: str) -> dict[str, Any]:
        """A JSON file of the cell's folder; empty where there is none."""
        return _json(cell_folder(self.directory, cell) / name)

    def title(self, cell: Cell) -> str:
        """The model as the slides print it, with protocol and seed where there are several."""
        protocol = f", {cell.protocol.name}" if len(self.record.protocols) > 1 else ""
        return label(cell.model) + protocol + (f", seed {cell.seed}" if self.seeds > 1 else "")


def _json(path: Path) -> dict[str, Any]:
    return dict(store.read_json(path)) if path.is_file() else {}


def key(model: Model) -> dict[str, str]:
    """The model's columns in the tables."""
    return {"encoder": model.encoder, "objective": model.objective, "sigma": plain_cell("sigma", model.sigma)}


def label(model: Model) -> str:
    return model_name(*key(model).values())


def verdict(comparison: Comparison) -> str:
    """The comparison in one sentence."""
    counts, total, source = comparison.summary(), len(comparison.rows), comparison.expected.name
    if not total:
        return f"Nothing to compare: no expected value of {source} is in this run's scope."
    parts = [f"{count} {_VERDICTS.get(name, name)}" for name, count in counts.items() if count and name != "extra"]
    return f"Of {total} expected value{'s' if total > 1 else ''} ({source}): {', '.join(parts)}."


def warnings(run: Run) -> list[str]:
    """Why the run's numbers cannot be held against the published ones, plainly."""
    study, data = run.record.study, run.record.data["name"]
    found = [] if data == "stl10" else [f"The images are {data}, not STL-10: not comparable with the paper."]
    if study.scale != "full":
        found.append("The study is reduced (fewer images or epochs): not comparable with the published numbers.")
    return found


def facts(run: Run) -> list[tuple[str, str]]:
    """Study, data, machine, versions and dates; what differs between cells is listed."""
    record, notes = run.record, [note for cell in run.cells if (note := run.json(cell, "provenance.json"))]
    finished = sorted(note["finished"] for note in notes)
    commits = [_commit(note.get("git")) for note in notes]
    machines = [", ".join(_part(name, value) for name, value in note["device"].items()) for note in notes]
    versions = [", ".join(f"{name} {value}" for name, value in note["versions"].items()) for note in notes]
    images = [", ".join(f"{count} {split}" for split, count in note["data"]["images"].items()) for note in notes]
    return [
        ("Study", f"{record.study.name} ({record.study.scale} scale)"),
        ("Protocol", ", ".join(protocol.name for protocol in record.protocols)),
        ("Data", f"{record.data['name']}{'' if record.data['name'] == 'stl10' else ' (not STL-10)'}"),
        ("Images", _distinct(images)),
        ("Device", f"{record.device}: {_distinct(machines)}" if machines else record.device),
        ("Precision", record.precision),
        ("Seeds", str(run.seeds)),
        ("Versions", _distinct(versions)),
        ("Git commit", _distinct(commits)),
        ("Cells finished", " to ".join(dict.fromkeys((finished[0], finished[-1]))) if finished else NONE),
    ]


def failures(run: Run) -> list[tuple[str, str]]:
    """Cells that could not go on, with what was found."""
    found = [(run.title(cell), run.json(cell, "failed.json")) for cell in run.cells]
    return [(title, str(note.get("error", "no reason recorded"))) for title, note in found if note]


def command(run: Run) -> str:
    """The command that makes this run again."""
    record = run.record
    study = record.study.name if record.study.name in builtin("studies") else f"{record.study.name}.toml"
    parts = ["pse-repro", "run", study]
    parts += [part for name in record.study.protocols for part in ("--protocol", name)]
    parts += ["--device", record.device, "--precision", record.precision, "--seeds", str(run.seeds)]
    parts += [] if record.data["name"] == "embedded-sample" else ["--data", "DIR"]
    return shlex.join(parts)


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
