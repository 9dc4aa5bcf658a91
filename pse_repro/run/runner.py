"""A whole study: its cells, one results table, and the record that identifies the run."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from pse_repro import __version__
from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Study, data_name
from pse_repro.data.batches import MODEL_BYTES
from pse_repro.data.subsets import images_of
from pse_repro.errors import UsageError
from pse_repro.evaluation.registry import epochs_of, row_of
from pse_repro.progress.facts import StudyStatus
from pse_repro.progress.stages import Progress
from pse_repro.progress.status_file import kept_while_running
from pse_repro.run.baselines import BaselineRun
from pse_repro.run.context import RunContext
from pse_repro.run.model_summary import write_test_sample
from pse_repro.run.requirements import check_images
from pse_repro.run.task import Outcome, Task, run_cell, run_task, sharing_a_checkpoint
from pse_repro.run.workers import completed, processes_that_fit, worker_processes
from pse_repro.stats import MIN_SEEDS
from pse_repro.study import prepare, store
from pse_repro.study.address import RunFiles
from pse_repro.study.cells import Cell, expand
from pse_repro.study.load import evaluations_of
from pse_repro.study.record import Run
from pse_repro.study.survey import modified, survey_cells
from pse_repro.tables import write_table

CONTEXT_BYTES = 500_000_000  # of GPU memory that a process takes for CUDA itself


def run_study(
    study: Study, protocols: list[Protocol], seeds: int, context: RunContext, fresh: bool = False, jobs: int = 1
) -> dict[str, str]:
    """Run or resume a study in the context's directory; return the reason of failure by failed cell.

    `context.data` has all images; the study's subset is taken here. `jobs` processes run cells in parallel.
    results.csv is written whenever cells complete; it does not depend on the number of processes of one thread each.
    Errors other than a cell's own end the run; completed work is kept.
    """
    whole, context = context, replace(context, data=images_of(context.data, study.subset))
    check_images(study, expand(study, protocols, seeds), context.data, context.evaluations)
    if not (context.repair and prepare.is_run(context.directory)):
        prepare.check_run(context.directory, _settings(study, protocols, context), fresh)
    with prepare.locked(context.directory):
        if context.repair:
            prepare.restore_record(context.directory, _settings(study, protocols, context))
        study = study if fresh else _with_recorded_evaluations(study, context.directory)
        aside = prepare.prepare_run(context.directory, _settings(study, protocols, context), fresh, context.repair)
        if aside:
            context.progress.say(f"altered files were moved to {aside}, and are made again")
        looks = _looks(seeds, context, fresh)
        place = str(context.data.place or "")
        requested = {"seeds": seeds, "jobs": jobs, "images": place, "looks": looks}
        store.write_json(context.run_files.requested, requested)
        write_test_sample(context.run_files, context.data)
        cells = expand(study, protocols, seeds)
        _say_evaluations_left_out(study, cells, context)
        _say_copies_left_out(cells, context)
        began, statuses = modified(context.run_files.record), context.run_files.statuses

        def estimate() -> StudyStatus:
            return survey_cells(context.directory, cells, began, context.evaluations).status

        with kept_while_running(statuses), context.progress.study(statuses, estimate):
            jobs = _jobs_that_fit(jobs, context)
            outcomes = _one_by_one(cells, context) if jobs == 1 else _in_parallel(cells, study, whole, jobs)
            return _collect(outcomes, cells, study, protocols, context)


def _with_recorded_evaluations(study: Study, directory: Path) -> Study:
    """Add the evaluations that were requested before for the run in `directory`, if it exists.

    Raises:
        UsageError: a new one needs weights that the pre-trainings so far have not kept.
    """
    if not RunFiles(directory).record.is_file():
        return study
    recorded = Run.open(directory).study
    kept = set(map(epochs_of, recorded.evaluations))
    for evaluation in study.evaluations if RunFiles(directory).stored_seeds() else ():
        if (epochs := epochs_of(evaluation)) and epochs not in kept:
            raise UsageError(
                f"{evaluation} takes weights after {epochs} epochs, which {directory} has not kept, as no evaluation "
                "needed them when it was pre-trained; leave it out, or give another --out"
            )
    return replace(study, evaluations=evaluations_of(recorded, study.evaluations))


def _say_evaluations_left_out(study: Study, cells: list[Cell], context: RunContext) -> None:
    """Say for which models an evaluation is left out that asks for the classes by name."""
    for name in study.evaluations if context.evaluations is None else context.evaluations:
        if row_of(name).names_classes:
            names = dict.fromkeys(cell.model.name for cell in cells if name not in cell.evaluations)
            if names:
                context.progress.say(f"{name}: left out for {', '.join(names)}: no text tower")


def _looks(seeds: int, context: RunContext, fresh: bool) -> list[int]:
    """Return the numbers of seeds after which the claims are judged: planned, those recorded before, and `seeds`.

    A run that gets more seeds after a look was looked at twice. Fewer than MIN_SEEDS decide nothing and are no look,
    nor are fewer than the run has already, as it is judged with all of them.
    """
    if fresh or not context.run_files.record.is_file():
        return sorted({look for look in (*context.looks, seeds) if look >= MIN_SEEDS})
    run = Run.open(context.directory)
    new = [look for look in (*context.looks, seeds) if look >= max(MIN_SEEDS, len(run.stored_seeds))]
    return sorted({*(look for look in run.looks if look >= MIN_SEEDS), *new})


def _collect(
    outcomes: Iterable[Outcome], cells: list[Cell], study: Study, protocols: list[Protocol], context: RunContext
) -> dict[str, str]:
    """Write the results table after every outcome, then run the baselines; return the failed cells."""
    failed: dict[str, str] = {}
    tables: dict[str, pd.DataFrame] = {}
    baselines = _baselines(study, protocols, context, begin=False)

    def write() -> None:
        rows = [tables[cell.name] for cell in cells if cell.name in tables]
        _write_results([*rows, *baselines], study, context)

    for outcome in outcomes:
        if outcome.rows is None:
            failed[outcome.cell.name] = outcome.error
        else:
            tables[outcome.cell.name] = outcome.rows
        write()
    if context.evaluations is None and study.baselines:
        baselines = _baselines(study, protocols, context, begin=True)
        write()
    return failed


def _say_copies_left_out(cells: list[Cell], context: RunContext) -> None:
    """Say how many images are left out of the pre-trainings without copies of test images, if there are any."""
    if any(cell.unlabeled == "without-test" for cell in cells):
        copies_N = context.data.copies_N
        context.progress.say(
            f"without-test: {copies_N.sum():,} of the {len(copies_N):,} unlabelled images equal a test image, and are "
            "left out"
        )


def _baselines(study: Study, protocols: list[Protocol], context: RunContext, begin: bool) -> list[pd.DataFrame]:
    """Return the results of the baselines on pixels; without `begin` only of complete ones. (`random` is a cell.)"""
    runs = [
        BaselineRun(name, protocol, study.folds, context)
        for name in study.baselines
        if name != "random"
        for protocol in protocols
    ]
    return [baseline.rows() for baseline in runs if begin or baseline.complete]


def _jobs_that_fit(jobs: int, context: RunContext) -> int:
    """Return `jobs`, or as many as the GPUs have memory for, and say so."""
    if jobs == 1 or context.machine.device.type != "cuda":
        return jobs
    data = context.data
    each = (
        MODEL_BYTES + CONTEXT_BYTES + sum(split.stored_NCWH.nbytes for split in (data.unlabeled, data.train, data.test))
    )
    fitting = processes_that_fit(jobs, each)
    if fitting < jobs:
        context.progress.warn(
            f"--jobs {jobs}, but a model and its images take {each / 1e9:.1f} GB of GPU memory, and there is room for "
            f"{fitting} at a time: --jobs {fitting} is used"
        )
    return fitting


def _one_by_one(cells: list[Cell], context: RunContext) -> Iterator[Outcome]:
    """Run the cells one after another in this process."""
    for number, cell in enumerate(cells, 1):
        context.progress.say(f"cell {number} of {len(cells)}: {cell.name}{_left(context.progress)}")
        yield run_cell(cell, context)


def _in_parallel(cells: list[Cell], study: Study, context: RunContext, jobs: int) -> Iterator[Outcome]:
    """Run the cells in several processes; cells that share a pre-training run in the same one."""
    progress, portable = context.progress, context.portable(study.subset)
    tasks = [Task(group, portable) for group in sharing_a_checkpoint(cells, context.directory)]
    done = 0
    with worker_processes(min(jobs, len(tasks)), context.machine.device.type == "cuda") as executor:
        for outcomes in completed(executor, run_task, tasks):
            done += len(outcomes)
            if progress.on_terminal:  # then the processes themselves print nothing
                for outcome in outcomes:
                    progress.say(outcome.error or f"{outcome.cell.name}: done")
            progress.say(f"{done} of {len(cells)} cells done{_left(progress)}")
            yield from outcomes


def _left(progress: Progress) -> str:
    status = progress.study_status(refresh=True)
    return f"; for the study {status.left}" if status else ""


def _settings(study: Study, protocols: list[Protocol], context: RunContext) -> dict[str, Any]:
    data, machine = context.data, context.machine
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


def _write_results(tables: list[pd.DataFrame], study: Study, context: RunContext) -> None:
    if not tables:
        return
    conditions = {
        "study": study.name,
        "data": data_name(context.data.name, study.unlabeled),
        "device": context.machine.device.type,
        "precision": context.machine.precision,
        "scale": study.scale,
    }
    write_table(pd.concat(tables, ignore_index=True).assign(**conditions), context.run_files.results, store.write_bytes)
