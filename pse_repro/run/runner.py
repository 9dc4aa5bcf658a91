"""A whole study: cells through an executor, one results table, and the record by which a run knows itself."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from pse_repro import __version__
from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Study
from pse_repro.data.stl10 import Dataset
from pse_repro.machine.device import Machine
from pse_repro.progress.facts import StudyStatus
from pse_repro.progress.stages import Progress
from pse_repro.progress.status_file import kept_while_running
from pse_repro.run.baselines import baseline_is_there, baseline_rows
from pse_repro.run.requirements import check_images
from pse_repro.run.task import Outcome, Task, run_cell, run_task, sharing_a_checkpoint
from pse_repro.run.workers import completed, worker_processes
from pse_repro.study import store
from pse_repro.study.cells import Cell, expand
from pse_repro.study.load import evaluations_of
from pse_repro.study.record import open_record
from pse_repro.study.survey import modified, survey_cells
from pse_repro.tables import write_table


def run_study(
    study: Study,
    protocols: list[Protocol],
    seeds: int,
    data: Dataset,
    machine: Machine,
    directory: Path,
    progress: Progress,
    fresh: bool = False,
    evaluations: tuple[str, ...] | None = None,
    jobs: int = 1,
    log_to: str | None = None,
) -> dict[str, str]:
    """Run or continue a study in `directory`; returns the cells that could not go on, with what was found.

    `evaluations` limits what is judged now, () to nothing. `jobs` processes run cells side by side; results.csv is
    written whenever cells are done, and is the same however many processes of one thread there are. `log_to` is where
    the epochs' values go as well (progress/tensorboard.py). Errors other than a cell's own end the run; what was done
    is kept.
    """
    whole, data = data, data.subset(study.subset)
    check_images(study, expand(study, protocols, seeds=1), data, evaluations)
    store.check_run(directory, _settings(study, protocols, data, machine), fresh)
    with store.locked(directory):
        study = study if fresh else _with_recorded_evaluations(study, directory)
        cells = expand(study, protocols, seeds)
        store.open_run(directory, _settings(study, protocols, data, machine), fresh)
        store.write_json(directory / "asked.json", {"seeds": seeds, "jobs": jobs, "images": str(data.place or "")})
        failed: dict[str, str] = {}
        tables: dict[str, pd.DataFrame] = {}
        baselines = _baselines(study, protocols, data, directory, progress, begin=False)
        began = modified(directory / "run.json")

        def estimate() -> StudyStatus:
            return survey_cells(directory, cells, began, evaluations).status

        with kept_while_running(directory), progress.study(directory, estimate):
            if jobs == 1:
                outcomes = _here(cells, data, machine, directory, progress, evaluations, log_to)
            else:
                outcomes = _side_by_side(cells, study, whole, machine, directory, progress, evaluations, jobs, log_to)
            for outcome in outcomes:
                if outcome.rows is None:
                    failed[outcome.cell.name] = outcome.error
                else:
                    tables[outcome.cell.name] = outcome.rows
                rows = [tables[cell.name] for cell in cells if cell.name in tables]
                _write_results(directory, rows + baselines, study, data, machine)
            if evaluations is None and study.baselines:
                rows = [tables[cell.name] for cell in cells if cell.name in tables]
                baselines = _baselines(study, protocols, data, directory, progress, begin=True)
                _write_results(directory, rows + baselines, study, data, machine)
    return failed


def _with_recorded_evaluations(study: Study, directory: Path) -> Study:
    """The study with the evaluations that the run in `directory`, if there is one, has had before."""
    if not (directory / "run.json").is_file():
        return study
    return replace(study, evaluations=evaluations_of(open_record(directory).study, study.evaluations))


def _baselines(
    study: Study, protocols: list[Protocol], data: Dataset, directory: Path, progress: Progress, begin: bool
) -> list[pd.DataFrame]:
    """Those on pixels, or (not `begin`) those of them that are done; the untrained encoders are cells."""
    return [
        baseline_rows(name, protocol, study.folds, data, directory, progress)
        for name in study.baselines
        if name != "random"
        for protocol in protocols
        if begin or baseline_is_there(name, protocol, study.folds, directory)
    ]


def _here(
    cells: list[Cell],
    data: Dataset,
    machine: Machine,
    directory: Path,
    progress: Progress,
    evaluations: tuple[str, ...] | None,
    log_to: str | None,
) -> Iterator[Outcome]:
    """The cells one after another in this process."""
    for number, cell in enumerate(cells, 1):
        progress.say(f"cell {number} of {len(cells)}: {cell.name}{_left(progress)}")
        yield run_cell(cell, data, machine, directory, progress, evaluations, log_to)


def _side_by_side(
    cells: list[Cell],
    study: Study,
    data: Dataset,
    machine: Machine,
    directory: Path,
    progress: Progress,
    evaluations: tuple[str, ...] | None,
    jobs: int,
    log_to: str | None,
) -> Iterator[Outcome]:
    """The cells in processes; those that share a pre-training in one. A live view shows them, else they say lines."""
    assert data.place is not None  # images of files: other processes open them, too
    quiet = progress.quiet or progress.on_terminal
    common = (data.place, data.name, data.md5, study.subset, machine, directory, evaluations, quiet, log_to)
    tasks = [Task(group, *common) for group in sharing_a_checkpoint(cells, directory)]
    done = 0
    with worker_processes(min(jobs, len(tasks))) as executor:
        for outcomes in completed(executor, run_task, tasks):
            done += len(outcomes)
            if progress.on_terminal:
                for outcome in outcomes:
                    progress.say(outcome.error or f"{outcome.cell.name}: done")
            progress.say(f"{done} of {len(cells)} cells done{_left(progress)}")
            yield from outcomes


def _left(progress: Progress) -> str:
    status = progress.study_status(refresh=True)
    return f"; for the study {status.left}" if status else ""


def _settings(study: Study, protocols: list[Protocol], data: Dataset, machine: Machine) -> dict[str, Any]:
    settings = {
        "kit": __version__,
        "study": asdict(study),
        "protocols": [asdict(protocol) for protocol in protocols],
        "data": {"name": data.name, "md5": data.md5},
        "device": machine.device.type,
        "precision": machine.precision,
    }
    plain: dict[str, Any] = json.loads(json.dumps(settings))  # tuples become lists, as in the file
    return plain


def _write_results(directory: Path, tables: list[pd.DataFrame], study: Study, data: Dataset, machine: Machine) -> None:
    if not tables:
        return
    conditions = {
        "study": study.name,
        "data": data.name,
        "device": machine.device.type,
        "precision": machine.precision,
        "scale": study.scale,
    }
    write_table(pd.concat(tables, ignore_index=True).assign(**conditions), directory / "results.csv")
