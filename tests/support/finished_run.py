"""Finished runs, parts of which can be removed, and their status."""

import json
import os
import shutil
from pathlib import Path

import torch

from pse_repro.study import prepare, store
from pse_repro.study.address import MANIFEST, CellFiles
from pse_repro.study.cells import Cell
from pse_repro.study.manifest import run_of
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
        forget(CellFiles(run, cell).folder)
        forget(CellFiles(run, cell).model)


def forget(path: Path) -> None:
    """Remove a file or folder from a run, and from its manifests, as if it had never been written."""
    run = run_of(path)
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for manifest in run.rglob(MANIFEST) if run else ():
        heading, *lines = manifest.read_text().splitlines(keepends=True)
        kept = [line for line in lines if path not in ((target := _target(manifest, line)), *target.parents)]
        if kept != lines:
            manifest.write_text("".join([heading, *kept]))


def _target(manifest: Path, line: str) -> Path:
    found = json.loads(line)
    return manifest.parent / (found.get("name") or found["folder"])


def write_state(directory: Path, cell: Cell, seconds: list[float]) -> Path:
    """Write the saved state of a pre-training whose epochs took these seconds."""
    path = CellFiles(directory, cell).state
    store.write_tensors(path, {"x": torch.zeros(9)}, {"best_epoch": 0, "curves": [{"seconds": s} for s in seconds]})
    return path


def text(run: Path) -> str:
    return render_status(read_status(run), "table")


def working(run: Path) -> list[tuple[str, str, int, int]]:
    with prepare.locked(run):
        return [(each.cell, each.phase, each.done, each.total) for each in read_status(run).working]
