"""A stored run for readers: its record, cells, results and files."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from pse_repro.config.protocol import Protocol, build_protocol
from pse_repro.config.study import Model, Study, data_name
from pse_repro.config.toml import builtin
from pse_repro.errors import NotFitError, UsageError
from pse_repro.study import store
from pse_repro.study.address import CellFiles, RunFiles
from pse_repro.study.cells import Cell, expand, label, scope
from pse_repro.study.load import build_study
from pse_repro.study.manifest import REMEDY, is_recorded
from pse_repro.study.records import Failure, Identity, Provenance, Requested, Trained
from pse_repro.tables import read_table

_COLUMNS = ["protocol", "encoder", "objective", "sigma", "seed", "evaluation", "fold", "metric", "value"]


@dataclass(frozen=True)
class Run:
    """An open run directory: run.json is read once on opening, everything else on demand."""

    directory: Path
    study: Study
    protocols: list[Protocol]
    data: dict[str, Any]  # name and MD5 sums of the images
    device: str
    precision: str

    @classmethod
    def open(cls, directory: Path) -> "Run":
        """Read run.json.

        Raises:
            UsageError: the directory is not a run, or its record was altered.
            NotFitError: the record was deleted or cannot be read.
        """
        path = RunFiles(directory).record
        if not path.is_file() and is_recorded(directory):
            raise NotFitError(f"{path} was deleted, or is no regular file; {REMEDY}")
        if not path.is_file():
            raise UsageError(f"{directory} is not a run directory (it has no run.json); make one with: pse-repro smoke")
        found = store.read_record(path, Identity)
        protocols = [build_protocol(table, f"{path}, protocols") for table in found.protocols]
        study = build_study(found.study, f"{path}, study")
        return cls(directory, study, protocols, found.data, found.device, found.precision)

    @property
    def images_name(self) -> str:
        """The images as results name them: their name, marked if copies of test images were left out of the study."""
        return data_name(self.data["name"], self.study.unlabeled)

    @property
    def run_files(self) -> RunFiles:
        return RunFiles(self.directory)

    def files(self, cell: Cell) -> CellFiles:
        return CellFiles(self.directory, cell)

    @cached_property
    def stored_seeds(self) -> range:
        """Seeds of which the run stores anything, complete or not."""
        return self.run_files.stored_seeds()

    @property
    def seeds(self) -> int:
        """Number of seeds begun; at least 1."""
        return max(1, len(self.stored_seeds))

    @cached_property
    def requested_seeds(self) -> int:
        """Number of seeds requested last or begun, whichever is larger; at least 1."""
        return max(self._requested.seeds, self.seeds)

    @property
    def looks(self) -> list[int]:
        """Numbers of seeds after which the claims are judged; several if it was to stop early, or got more seeds."""
        return [*self._requested.looks] or [self.requested_seeds]

    @property
    def images_place(self) -> Path | None:
        """Path of the images when the run was last started or resumed; None if unknown or no longer there."""
        path = self._requested.images
        return Path(path) if path and Path(path).exists() else None

    @cached_property
    def cells(self) -> list[Cell]:
        """All cells of the seeds begun, also those not begun themselves."""
        return self.expanded(self.seeds)

    def expanded(self, seeds: int) -> list[Cell]:
        """Return the cells of the first `seeds` seeds."""
        return expand(self.study, self.protocols, seeds)

    @property
    def scope(self) -> pd.DataFrame:
        """The numbers that the run is to measure, for `compare`."""
        return scope(self.expanded(1))

    @property
    def models(self) -> list[Model]:
        """The study's models, then its untrained encoders."""
        return list(dict.fromkeys(cell.model for cell in self.cells))

    @property
    def has_results(self) -> bool:
        return self.run_files.results.is_file()

    @cached_property
    def results(self) -> pd.DataFrame:
        """The long table of results; empty before the first."""
        return (
            read_table(self.run_files.results, store.read_bytes) if self.has_results else pd.DataFrame(columns=_COLUMNS)
        )

    def require_results(self) -> pd.DataFrame:
        """Return the long table of results; UsageError if there is none yet."""
        if not self.has_results:
            raise UsageError(f"{self.directory} has no results yet; run its study again to resume it")
        return self.results

    @property
    def ensemble_printing(self) -> dict[str, Literal["cut", "rounded"]]:
        """Printing rule of ensemble scores, by protocol (switch 13)."""
        return {protocol.name: protocol.switches.ensemble_printing for protocol in self.protocols}

    def pretraining(self, cell: Cell) -> Trained | None:
        """Return the contents of pretrain.json; None until the pre-training is complete."""
        return store.find_record(self.files(cell).pretraining, Trained)

    def provenance(self, cell: Cell) -> Provenance | None:
        """Return the contents of provenance.json; None until the cell is complete."""
        return store.find_record(self.files(cell).provenance, Provenance)

    def failure(self, cell: Cell) -> str:
        """Return the reason why the cell failed; empty if it did not."""
        found = store.find_record(self.files(cell).failed, Failure)
        return found.error if found else ""

    def failures(self) -> list[tuple[str, str]]:
        """Return the titles of the failed cells, each with the reason."""
        return [(self.title(cell), reason) for cell in self.cells if (reason := self.failure(cell))]

    def title(self, cell: Cell) -> str:
        """Return the model's name as the slides print it, with protocol and seed if the run has several."""
        protocol = f", {cell.protocol.name}" if len(self.protocols) > 1 else ""
        return label(cell.model) + protocol + (f", seed {cell.seed}" if self.seeds > 1 else "")

    def command(self, protocols: Sequence[str] = ()) -> str:
        """Return the command that repeats this run or, given `protocols`, its study under them."""
        study = self.study.name if self.study.name in builtin("studies") else f"{self.study.name}.toml"
        parts = ["pse-repro", "run", study]
        parts += [part for name in protocols or self.study.protocols for part in ("--protocol", name)]
        parts += ["--device", self.device, "--precision", self.precision, "--seeds", str(self.seeds)]
        parts += [] if self.data["name"] == "embedded-sample" else ["--data", "DIR"]
        parts += [] if self.study.unlabeled == "all" else ["--without-test"]
        return shlex.join(parts)

    @cached_property
    def _requested(self) -> Requested:
        return store.find_record(self.run_files.requested, Requested) or Requested()
