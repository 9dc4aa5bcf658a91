"""Cells as independent jobs, which can be sent to another process."""

from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from pse_repro.errors import CellError
from pse_repro.progress.tensorboard import open_scalars
from pse_repro.run.cell import CellRun
from pse_repro.run.context import PortableContext, RunContext
from pse_repro.study import store
from pse_repro.study.address import CellFiles
from pse_repro.study.cells import Cell


@dataclass(frozen=True)
class Outcome:
    """A cell's rows of the results table, or the error that ended it."""

    cell: Cell
    rows: pd.DataFrame | None
    error: str = ""


@dataclass(frozen=True)
class Task:
    """Cells to run one after another in another process."""

    cells: tuple[Cell, ...]
    context: PortableContext


def run_task(task: Task) -> list[Outcome]:
    """Run the task's cells in order; errors other than a cell's own are raised."""
    context = task.context.open()
    with context.progress.study(context.run_files.statuses):
        return [run_cell(cell, context) for cell in task.cells]


def run_cell(cell: Cell, context: RunContext) -> Outcome:
    """Run one cell; if it fails, the reason is also written to its folder."""
    files, progress = context.files(cell), context.progress
    try:
        with (
            open_scalars(context.log_to, context.run_files.scalars / cell.name, _parameters(cell)) as scalars,
            progress.cell(cell.name, scalars),
        ):
            return Outcome(cell, CellRun(cell, context).run())
    except CellError as error:
        reason = str(error) if cell.model.name in str(error) else f"{cell.model.name}-seed{cell.seed}: {error}"
        store.write_json(files.failed, {"error": reason})
        progress.say(reason)
        return Outcome(cell, None, reason)


def _parameters(cell: Cell) -> dict[str, object]:
    """Return the cell's hyper-parameters by name, for the logs."""
    groups = {
        "model": asdict(cell.model),
        "pretrain": asdict(cell.length),
        "switches": asdict(cell.protocol.switches),
        "settings": asdict(cell.protocol.settings),
    }
    named = {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}
    return {"protocol": cell.protocol.name, "seed": cell.seed} | named


def sharing_a_checkpoint(cells: list[Cell], directory: Path) -> list[tuple[Cell, ...]]:
    """Group the cells by pre-training, so that no two processes do the same work or write to one folder."""
    groups: dict[Path, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(CellFiles(directory, cell).model, []).append(cell)
    return [tuple(group) for group in groups.values()]
