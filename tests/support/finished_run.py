"""Finished runs, parts of which can be removed, and their status."""

import os
import shutil
from pathlib import Path

import torch

from pse_repro.study import store
from pse_repro.study.address import CellFiles
from pse_repro.study.cells import Cell
from pse_repro.study.status import read_status
from pse_repro.study.status_text import render_status
from tests.support.stored_run import store_run, study

LONG_AGO = 1_000_000_000.0


def stored(run: Path, seeds: int = 1, **changes: object) -> list[Cell]:
    """Store a finished run that was started long ago, and return its cells."""
    cells = store_run(run, study(**changes), seeds)
    for path in run.rglob("*"):
        os.utime(path, (LONG_AGO + 60, LONG_AGO + 60))
    os.utime(run / "run.json", (LONG_AGO, LONG_AGO))
    return cells


def undo(run: Path, *cells: Cell) -> None:
    """Remove cells from a run as if they had not started; pass all cells that share a pre-training."""
    for cell in cells:
        shutil.rmtree(CellFiles(run, cell).folder)
        shutil.rmtree(CellFiles(run, cell).model, ignore_errors=True)


def write_state(directory: Path, cell: Cell, seconds: list[float]) -> Path:
    """Write the saved state of a pre-training whose epochs took these seconds."""
    path = CellFiles(directory, cell).state
    store.write_tensors(path, {"x": torch.zeros(9)}, {"best_epoch": 0, "curves": [{"seconds": s} for s in seconds]})
    return path


def text(run: Path) -> str:
    return render_status(read_status(run), "table")


def working(run: Path) -> list[tuple[str, str, int, int]]:
    with store.locked(run):
        return [(each.cell, each.phase, each.done, each.total) for each in read_status(run).working]
