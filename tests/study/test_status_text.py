"""A run's status on one screen of 80 columns, and as JSON."""

import json
import os
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from pse_repro.progress.status_file import ProcessStatus
from pse_repro.study import prepare, store
from pse_repro.study.address import CellFiles, RunFiles
from pse_repro.study.status import read_status
from pse_repro.study.status_text import render_status
from tests.support.finished_run import stored, text, undo, working, write_state
from tests.support.processes import written_by

SCHEMA = json.loads((files("pse_repro") / "schemas" / "status.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_what_processes_say_of_themselves_counts_more_than_what_they_wrote(run: Path) -> None:
    """Two processes are in their first epochs: no file of the run shows yet that there is a second."""
    first, second = stored(run, epochs=9)
    undo(run, first, second)
    for pid, cell, losses in ((os.getpid(), second, (0.4, 0.2)), (os.getppid(), first, ())):
        status = ProcessStatus(cell.name, "pre-train", 300, 900, "images", 10.0, len(losses), 9, losses)
        written_by(RunFiles(run).statuses, pid, replace(status, loss="validation loss"))
    assert [(name, phase) for name, phase, *_ in working(run)] == [(first.name, "pretrain"), (second.name, "pretrain")]
    with prepare.locked(run):
        lines = text(run).splitlines()
        jsonschema.validate(json.loads(render_status(read_status(run), "json")), SCHEMA)
    at = lines.index(f"now      {first.name}: pre-train, epoch 1 of 9")
    assert lines[at + 1] == "           ━━━━━━╸               33%  30 images/s  at most 20 s left"
    assert lines[at + 2 : at + 5 : 2] == [
        f"         {second.name}: pre-train, epoch 3 of 9",
        "           █▁ validation loss 0.2",
    ]
    assert read_status(run).working == []  # no process holds the run: the status files are stale


def test_many_processes_have_a_line_each(run: Path) -> None:
    cells = stored(run, seeds=3, epochs=9)
    undo(run, *cells)
    store.write_json(run / "asked.json", {"seeds": 3})
    for number, cell in enumerate(cells[:5]):
        status = ProcessStatus(cell.name, "pre-train", 300, 900, "images", 10.0, 1, 9)
        path = written_by(RunFiles(run).statuses, os.getpid(), status)
        path.rename(path.with_name(f"{number}.json"))
    with prepare.locked(run):
        lines = text(run).splitlines()
    assert sum(line.endswith("pre-train, epoch 2 of 9, 33%, at most 20 s left") for line in lines) == 5
    assert max(map(len, lines)) <= 80


def test_one_screen_of_80_columns_however_much_there_is(tmp_path: Path) -> None:
    run = tmp_path / ("a-long-name" * 9)
    protocols = ("as-released", *(f"as-released+{number}" for number in range(1, 9)))
    cells = stored(run, seeds=2, protocols=protocols, epochs=9)
    broken = {CellFiles(run, cell).model: cell for cell in cells[8:]}
    for number, cell in enumerate(broken.values()):
        undo(run, cell)
        if number % 2:
            store.write_json(CellFiles(run, cell).failed, {"error": "no " * 99})
        else:
            write_state(run, cell, [1.0])
    with prepare.locked(run):
        lines = text(run).splitlines()
        assert len(read_status(run).working) > 6
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert any(line.strip().startswith("and ") for line in lines)


def test_counts_add_up_and_the_json_holds_them_all(run: Path) -> None:
    stored(run, seeds=2)
    found = read_status(run)
    assert (found.seeds, found.cells) == (2, 4)
    assert found.done + len(found.failed) <= found.cells
    assert set(asdict(found)) == set(json.loads(render_status(found, "json")))
