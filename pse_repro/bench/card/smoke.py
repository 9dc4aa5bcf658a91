"""Part "smoke": the study `smoke`, then a few steps of every objective; the losses beside a CPU's golden ones."""

import math
from dataclasses import replace

import pandas as pd

from pse_repro.bench.card.task import Task
from pse_repro.compare.join import compare
from pse_repro.config.study import Study, Subset
from pse_repro.data.choose import find_data
from pse_repro.errors import CellError
from pse_repro.expected import load_expected
from pse_repro.progress.stages import Progress
from pse_repro.run.context import RunContext
from pse_repro.run.runner import run_study
from pse_repro.study.load import load_study, study_protocols
from pse_repro.study.record import Run

AGREES = 0.02  # relative difference of a loss: convolutions on a GPU round to TF32's ten bits; wrong ones are far off
QUICK_OBJECTIVES = ("mse", "pse")


def run_smoke(task: Task) -> None:
    """Run both studies on the embedded sample, whatever images are given, as the golden losses are of that."""
    smoke, objectives = load_study("smoke"), load_study("smoke-objectives")
    if task.quick:
        smoke = replace(smoke, subset=Subset(60, 20, 20), epochs=1, models=smoke.models[:1])
        chosen = [model for model in objectives.models if model.objective in QUICK_OBJECTIVES]
        objectives = replace(objectives, models=tuple(chosen))
    failed = [*_run(task, smoke)[1].values()]
    run, failures = _run(task, objectives)
    failed += failures.values()
    rows = compare(run.require_results(), load_expected("smoke-objectives"), scope=run.scope).rows
    for row in rows.to_dict("records"):
        model = "-".join(filter(None, (row["encoder"], row["objective"], row["sigma"])))
        failed += _beside(task, f"{model}: {row['metric']}", row["measured"], row["expected"])
    if failed:
        raise CellError("; ".join(failed))


def _run(task: Task, study: Study) -> tuple[Run, dict[str, str]]:
    folder = task.out / study.name
    with Progress(lines=True) as progress:
        context = RunContext(folder, find_data(None, True, progress), task.machine(), progress)
        failed = run_study(study, study_protocols(study), 1, context)
    task.note(f"study {study.name}: models trained and evaluated", len(Run.open(folder).cells) - len(failed))
    return Run.open(folder), failed


def _beside(task: Task, name: str, measured: float, golden: float) -> list[str]:
    """Note a loss beside the golden one; return what is wrong with it, if anything is."""
    if pd.isna(measured):
        return [f"{name} is missing"]
    difference = measured / golden - 1
    task.note(name, float(measured), f"on a CPU {golden:.6g}, {difference:+.2%}")
    wrong = not math.isfinite(difference) or abs(difference) > AGREES
    return [f"{name} is {measured:.6g}, on a CPU {golden:.6g}"] if wrong else []
