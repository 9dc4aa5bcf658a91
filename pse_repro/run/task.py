"""Cells as an independent job: one that can be sent to another process, and does not know where it runs."""

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from pse_repro.config.study import Subset
from pse_repro.data.stl10 import Dataset, open_dataset
from pse_repro.errors import CellError
from pse_repro.machine.device import Machine
from pse_repro.progress.stages import Progress
from pse_repro.progress.tensorboard import open_scalars
from pse_repro.run.cell import CellRun
from pse_repro.study import store
from pse_repro.study.address import cell_folder, model_folder
from pse_repro.study.cells import Cell


@dataclass(frozen=True)
class Outcome:
    """A cell's rows of the results table, or why it could not go on."""

    cell: Cell
    rows: pd.DataFrame | None
    error: str = ""


@dataclass(frozen=True)
class Task:
    """Cells to run one after another in another process, and where that process finds the images and the run."""

    cells: tuple[Cell, ...]
    place: Path
    data_name: str
    md5: dict[str, str]
    subset: Subset
    machine: Machine
    directory: Path
    evaluations: tuple[str, ...] | None
    quiet: bool
    log_to: str | None = None


def run_task(task: Task) -> list[Outcome]:
    """The task's cells, in order; errors other than a cell's own are raised."""
    data = open_dataset(task.place, task.data_name, task.md5).subset(task.subset)
    progress = Progress(task.quiet, lines=True)
    common = (data, task.machine, task.directory, progress, task.evaluations, task.log_to)
    with progress.study(task.directory):
        return [run_cell(cell, *common) for cell in task.cells]


def run_cell(
    cell: Cell,
    data: Dataset,
    machine: Machine,
    directory: Path,
    progress: Progress,
    evaluations: tuple[str, ...] | None,
    log_to: str | None = None,
) -> Outcome:
    """One cell, to its rows; why it could not go on also goes into its folder. `log_to`: progress/tensorboard.py."""
    try:
        with (
            open_scalars(log_to, directory, cell.name, _parameters(cell)) as scalars,
            progress.cell(cell.name, scalars),
        ):
            return Outcome(cell, CellRun(cell, data, machine, directory, progress).run(evaluations))
    except CellError as error:
        store.write_json(cell_folder(directory, cell) / "failed.json", {"error": str(error)})
        progress.say(str(error))
        return Outcome(cell, None, str(error))


def _parameters(cell: Cell) -> dict[str, object]:
    """What the cell is trained with, for the logs."""
    groups = {
        "model": asdict(cell.model),
        "pretrain": asdict(cell.length),
        "switches": asdict(cell.protocol.switches),
        "settings": asdict(cell.protocol.settings),
    }
    named = {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}
    return {"protocol": cell.protocol.name, "seed": cell.seed} | named


def sharing_a_checkpoint(cells: list[Cell], directory: Path) -> list[tuple[Cell, ...]]:
    """The cells in groups that share a pre-training, so that no two processes do the same work or write one folder."""
    together: dict[Path, list[Cell]] = {}
    for cell in cells:
        together.setdefault(model_folder(directory, cell), []).append(cell)
    return [tuple(group) for group in together.values()]
