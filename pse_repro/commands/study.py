"""Commands that train: run a study, pre-train or evaluate one model, plan."""

from dataclasses import dataclass, replace
from pathlib import Path

from pse_repro.commands.results import (
    _claims,
    _comparison,
    _exit_status,
)
from pse_repro.compare.render import render
from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Model, Study, parse_budget
from pse_repro.data.choose import find_data
from pse_repro.data.stl10 import Dataset, open_dataset
from pse_repro.errors import CellError, NotFitError, UsageError
from pse_repro.machine.device import Machine, choose_machine
from pse_repro.machine.volumes import lost_warning
from pse_repro.progress.stages import Progress
from pse_repro.progress.tensorboard import require
from pse_repro.report.page import write_report
from pse_repro.run.runner import run_study
from pse_repro.study.address import images_place
from pse_repro.study.estimate import estimate_seconds
from pse_repro.study.load import build_study, evaluations_of, load_study, study_protocols
from pse_repro.study.plan import make_plan, render_plan
from pse_repro.study.record import Record, open_record, read_results
from pse_repro.study.store import RUNS, newest_run, stored_seeds
from pse_repro.text import duration


@dataclass(frozen=True)
class RunOptions:
    """The options that all runs share."""

    data: Path | None
    out: Path | None
    protocols: list[str]
    device: str
    precision: str
    seeds: int
    fresh: bool
    quiet: bool
    jobs: int = 1
    log_to: str | None = None
    budget: str | None = None


def run(study_name: str, options: RunOptions, format: str, strict: bool) -> tuple[str, int]:
    """Run a study, compare it, write its report; returns what to print and the exit status."""
    require(options.log_to)
    study = load_study(study_name)
    if options.protocols:
        study = replace(study, protocols=tuple(dict.fromkeys(options.protocols)))
    if options.budget:
        study = replace(study, budget=parse_budget(options.budget), scale="reduced")
    protocols = study_protocols(study)
    machine = choose_machine(options.device, options.precision)
    with Progress(options.quiet) as progress:
        _refuse_slow(study, protocols, options, machine)
        data = find_data(options.data, study.embedded, progress)
        directory = options.out or RUNS / study.name
        if warning := lost_warning(options.out or RUNS):
            progress.say(warning)
        failed = run_study(
            study,
            protocols,
            options.seeds,
            data,
            machine,
            directory,
            progress,
            options.fresh,
            jobs=options.jobs,
            log_to=options.log_to,
        )
        if len(failed) == len(study.models) * len(protocols) * options.seeds:
            return "no cell could be finished:\n" + "\n".join(failed.values()), 1
        comparison, claims = _comparison(directory, None), _claims(directory)
        progress.say(f"report: {write_report(directory, comparison, claims)}")
    return render(comparison, format, claims), max(_exit_status(comparison, claims, strict), 1 if failed else 0)


def pretrain(
    encoder: str, objective: str, sigma: float | None, epochs: int, batch_size: int | None, options: RunOptions
) -> Path:
    """Pre-train one model in a run of its own; returns the run's directory."""
    require(options.log_to)
    model = {"encoder": encoder, "objective": objective, "sigma": sigma, "epochs": epochs, "batch_size": batch_size}
    name = Model(encoder, objective, sigma).name
    table = {"name": name, "scale": "reduced", "expected": "paper", "epochs": epochs, "models": [model]}
    study = build_study(table | {"protocols": options.protocols or ["as-released"]}, "pretrain")
    protocols = study_protocols(study)
    machine = choose_machine(options.device, options.precision)
    directory = options.out or RUNS / study.name
    with Progress(options.quiet) as progress:
        data = find_data(options.data, study.embedded, progress)
        failed = run_study(
            study, protocols, 1, data, machine, directory, progress, options.fresh, (), log_to=options.log_to
        )
    if failed:
        raise CellError("; ".join(failed.values()))
    return directory


def evaluate(
    run_directory: Path | None,
    evaluations: list[str],
    data: Path | None,
    device: str,
    quiet: bool,
    log_to: str | None = None,
) -> tuple[str, int]:
    """Judge the models of a run, also in ways that it did not know; returns scores as a table, and the exit status."""
    require(log_to)
    directory = run_directory or newest_run()
    record = open_record(directory)
    study = replace(record.study, evaluations=evaluations_of(record.study, evaluations))
    machine = choose_machine(record.device if device == "auto" else device, record.precision)
    seeds = max(1, len(stored_seeds(directory)))
    with Progress(quiet) as progress:
        images = _images_of(directory, record, data, progress)
        failed = run_study(
            study,
            record.protocols,
            seeds,
            images,
            machine,
            directory,
            progress,
            evaluations=tuple(evaluations),
            log_to=log_to,
        )
    results = read_results(directory)
    shown = results[results["evaluation"].isin(evaluations) & results["fold"].isin(["ensemble", ""])]
    columns = ["protocol", "encoder", "objective", "sigma", "seed", "evaluation"]
    scores = shown.pivot_table(index=columns, columns="metric", values="value").reset_index()
    return scores.to_markdown(index=False, floatfmt=".4f", missingval="").replace(" nan ", "     "), 1 if failed else 0


def _images_of(directory: Path, record: Record, data: Path | None, progress: Progress) -> Dataset:
    """The images that a run was made on: those at `data` (None: where they were). UsageError for others."""
    place = None if data else images_place(directory)
    images = open_dataset(place) if place else find_data(data, record.study.embedded, progress)
    if images.md5 != record.data.get("md5"):
        raise UsageError(
            f"{directory} was made on {record.data['name']}, and the images of {images.place} are others: give --data "
            "the folder that it was made on"
        )
    return replace(images, name=record.data["name"])  # the folder may have another name now


def plan(study_name: str, protocol_names: list[str], device: str, precision: str, seeds: int, format: str) -> str:
    """What a study consists of, and how long it would take on this machine at least."""
    study = load_study(study_name)
    if protocol_names:
        study = replace(study, protocols=tuple(dict.fromkeys(protocol_names)))
    plan = make_plan(study, study_protocols(study), seeds, choose_machine(device, precision))
    return render_plan(plan, format)


def _refuse_slow(study: Study, protocols: list[Protocol], options: RunOptions, machine: Machine) -> None:
    """NotFitError for a GPU's study on a CPU, with an estimate, unless --device cpu asks for it."""
    if study.gpu and machine.device.type == "cpu" and options.device != "cpu":
        seconds = estimate_seconds(study, protocols, options.seeds, machine)
        raise NotFitError(
            f"study {study.name} is meant for a GPU and PyTorch sees none; this CPU would take at least "
            f"{duration(seconds)}: give --device cpu to run it all the same, or try pse-repro smoke"
        )
