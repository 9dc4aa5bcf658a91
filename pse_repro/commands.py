"""What the commands do: find the images, choose the machine, run, compare, report."""

from dataclasses import dataclass, replace
from pathlib import Path

from pse_repro.compare import Comparison
from pse_repro.compare import compare as compare_tables
from pse_repro.config import Model, Protocol, Study, build_study, load_study, study_protocols
from pse_repro.data.sample import embedded_sample
from pse_repro.data.stl10 import Dataset, find_binaries, open_dataset
from pse_repro.device import Machine, choose_machine
from pse_repro.errors import CellError, NotFitError
from pse_repro.expected import load_expected
from pse_repro.places import data_home
from pse_repro.progress import Progress, duration
from pse_repro.render import render
from pse_repro.report.page import write_report
from pse_repro.study.estimate import estimate_seconds
from pse_repro.study.runner import open_record, read_results, run_study
from pse_repro.study.store import newest_run
from pse_repro.tables import read_table

RUNS = Path("runs")


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


def run(study_name: str, options: RunOptions, format: str, strict: bool) -> tuple[str, int]:
    """Run a study, compare it, write its report; returns what to print and the exit status."""
    study = load_study(study_name)
    if options.protocols:
        study = replace(study, protocols=tuple(dict.fromkeys(options.protocols)))
    protocols = study_protocols(study)
    machine = choose_machine(options.device, options.precision)
    with Progress(options.quiet) as progress:
        _refuse_slow(study, protocols, options, machine)
        data = find_data(options.data, study, progress)
        directory = options.out or RUNS / study.name
        failed = run_study(study, protocols, options.seeds, data, machine, directory, progress, options.fresh)
        if len(failed) == len(study.models) * len(protocols) * options.seeds:
            return "no cell could be finished:\n" + "\n".join(failed.values()), 1
        comparison = _comparison(directory, None)
        progress.say(f"report: {write_report(directory, comparison)}")
    return render(comparison, format), max(comparison.exit_status(strict), 1 if failed else 0)


def pretrain(
    encoder: str, objective: str, sigma: float | None, epochs: int, batch_size: int | None, options: RunOptions
) -> Path:
    """Pre-train one model in a run of its own; returns the run's directory."""
    model = {"encoder": encoder, "objective": objective, "sigma": sigma, "epochs": epochs, "batch_size": batch_size}
    name = Model(encoder, objective, sigma).name
    table = {"name": name, "scale": "reduced", "expected": "paper", "epochs": epochs, "models": [model]}
    study = build_study(table | {"protocols": options.protocols or ["as-released"]}, "pretrain")
    protocols = study_protocols(study)
    machine = choose_machine(options.device, options.precision)
    directory = options.out or RUNS / study.name
    with Progress(options.quiet) as progress:
        data = find_data(options.data, study, progress)
        failed = run_study(study, protocols, 1, data, machine, directory, progress, options.fresh, evaluations=())
    if failed:
        raise CellError("; ".join(failed.values()))
    return directory


def evaluate(
    run_directory: Path | None, evaluations: list[str], data: Path | None, device: str, quiet: bool
) -> tuple[str, int]:
    """Judge the models of a run; returns their scores as a table, and the exit status."""
    directory = run_directory or newest_run(RUNS)
    record = open_record(directory)
    machine = choose_machine(record.device if device == "auto" else device, record.precision)
    seeds = 1 + max((int(path.name.rpartition("-seed")[2]) for path in directory.glob("cells/*/*-seed*")), default=0)
    with Progress(quiet) as progress:
        images = find_data(data, record.study, progress)
        failed = run_study(
            record.study, record.protocols, seeds, images, machine, directory, progress, evaluations=tuple(evaluations)
        )
    results = read_results(directory)
    shown = results[results["evaluation"].isin(evaluations) & results["fold"].eq("ensemble")]
    columns = ["protocol", "encoder", "objective", "sigma", "seed", "evaluation"]
    scores = shown.pivot_table(index=columns, columns="metric", values="value").reset_index()
    return scores.to_markdown(index=False, floatfmt=".4f"), 1 if failed else 0


def compare(target: Path | None, against: str | None, format: str, strict: bool) -> tuple[str, int]:
    """Compare a run or a table with expected values; returns the rendered comparison and the exit status."""
    comparison = _comparison(target or newest_run(RUNS), against)
    return render(comparison, format), comparison.exit_status(strict)


def report(run_directory: Path | None) -> Path:
    """Write a run's report again; returns the page's path."""
    directory = run_directory or newest_run(RUNS)
    return write_report(directory, _comparison(directory, None))


def _comparison(target: Path, against: str | None) -> Comparison:
    if target.is_dir():
        record = open_record(target)
        results = read_results(target)
        expected = load_expected(against or record.study.expected)
        print_rules = {protocol.name: protocol.switches.ensemble_printing for protocol in record.protocols}  # switch 13
        return compare_tables(results, expected, scope=record.scope, print_rules=print_rules)
    return compare_tables(read_table(target), load_expected(against or "paper"))


def find_data(directory: Path | None, study: Study, progress: Progress) -> Dataset:
    """The images: the folder given, else the data folder where there is one, else the embedded sample if it will do.

    NotFitError where the study wants real images and there are none.
    """
    home = data_home()
    if directory is not None or find_binaries(home):
        data = open_dataset(directory or home)
        official = "" if data.name == "stl10" else ": not STL-10's official files, so not comparable with the paper"
        progress.say(f"images: {directory or home}{official}")
        return data
    if not study.embedded:
        raise NotFitError(
            f"study {study.name} needs STL-10 and there are no images in {home}: unpack STL-10's binary archive there, "
            "or name its folder with --data"
        )
    progress.say("images: the embedded sample, drawn by the kit (no --data given)")
    return open_dataset(embedded_sample(), name="embedded-sample")


def _refuse_slow(study: Study, protocols: list[Protocol], options: RunOptions, machine: Machine) -> None:
    """NotFitError for a GPU's study on a CPU, with an estimate, unless --device cpu asks for it."""
    if study.gpu and machine.device.type == "cpu" and options.device != "cpu":
        seconds = estimate_seconds(study, protocols, options.seeds, machine)
        raise NotFitError(
            f"study {study.name} is meant for a GPU and PyTorch sees none; this CPU would take at least "
            f"{duration(seconds)}: give --device cpu to run it all the same, or try pse-repro smoke"
        )
