"""A stored run: its record, cells and results."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pse_repro.config.protocol import Protocol, build_protocol
from pse_repro.config.study import Model, Study
from pse_repro.config.toml import builtin
from pse_repro.errors import UsageError
from pse_repro.study import store
from pse_repro.study.address import cell_folder, evaluation_folder, model_folder
from pse_repro.study.cells import Cell, expand, label, scope
from pse_repro.study.load import build_study
from pse_repro.study.store import stored_seeds
from pse_repro.tables import read_table


@dataclass(frozen=True)
class Record:
    """What run.json says of a run: its study, its protocols, its data and how it was computed."""

    study: Study
    protocols: list[Protocol]
    data: dict[str, Any]
    device: str
    precision: str

    @property
    def scope(self) -> pd.DataFrame:
        """The cells that the run set out to measure, for `compare`."""
        return scope(expand(self.study, self.protocols, seeds=1))


def open_record(directory: Path) -> Record:
    """Read run.json; UsageError where the directory is not a run."""
    path = directory / "run.json"
    if not path.is_file():
        raise UsageError(f"{directory} is not a run directory (it has no run.json); make one with: pse-repro smoke")
    found = store.read_json(path)
    try:
        protocols = [build_protocol(table, f"{path}, protocols") for table in found["protocols"]]
        study = build_study(found["study"], f"{path}, study")
        return Record(study, protocols, found["data"], found["device"], found["precision"])
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is not a record of this kit ({error!r}); was it altered?") from error


def read_results(directory: Path) -> pd.DataFrame:
    """The run's results table; UsageError where there is none yet."""
    open_record(directory)
    path = directory / "results.csv"
    if not path.is_file():
        raise UsageError(f"{directory} has no results yet; run its study again to continue it")
    return read_table(path)


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


def failures(run: Run) -> list[tuple[str, str]]:
    """Cells that could not go on, with what was found."""
    found = [(run.title(cell), run.json(cell, "failed.json")) for cell in run.cells]
    return [(title, str(note.get("error", "no reason recorded"))) for title, note in found if note]


def command(run: Run, protocols: Sequence[str] = ()) -> str:
    """The command that makes this run again, or the same study under other protocols."""
    record = run.record
    study = record.study.name if record.study.name in builtin("studies") else f"{record.study.name}.toml"
    parts = ["pse-repro", "run", study]
    parts += [part for name in protocols or record.study.protocols for part in ("--protocol", name)]
    parts += ["--device", record.device, "--precision", record.precision, "--seeds", str(run.seeds)]
    parts += [] if record.data["name"] == "embedded-sample" else ["--data", "DIR"]
    return shlex.join(parts)
