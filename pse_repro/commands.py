"""What the commands do: find the images, choose the machine, run, compare, report."""

from dataclasses import dataclass, replace
from pathlib import Path

from pse_repro.budget import parse_budget
from pse_repro.claims import ClaimResult, judge
from pse_repro.compare import Comparison
from pse_repro.compare import compare as compare_tables
from pse_repro.compare_runs import compare_runs, render_runs
from pse_repro.config import (
    Model,
    Protocol,
    Study,
    build_study,
    evaluations_of,
    load_study,
    study_protocols,
)
from pse_repro.data.stl10 import Dataset, open_dataset
from pse_repro.data_commands import find_data
from pse_repro.device import Machine, choose_machine
from pse_repro.doctor.volumes import lost_warning
from pse_repro.errors import CellError, NotFitError, UsageError
from pse_repro.expected import load_expected
from pse_repro.explain import render_effects, render_switches, switch_effects
from pse_repro.junit import write_junit
from pse_repro.progress import Progress, duration
from pse_repro.render import render
from pse_repro.report.page import write_report
from pse_repro.study.address import images_place, stored_seeds
from pse_repro.study.estimate import estimate_seconds
from pse_repro.study.export import is_archive, opened
from pse_repro.study.plan import make_plan, render_plan
from pse_repro.study.runner import Record, open_record, read_results, run_study
from pse_repro.study.store import newest_run
from pse_repro.tables import read_table
from pse_repro.training.scalars import require
from pse_repro.vocabulary import known_rows

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
    directory = run_directory or newest_run(RUNS)
    record = open_record(directory)
    machine = choose_machine(record.device if device == "auto" else device, record.precision)
    seeds = max(1, len(stored_seeds(directory)))
    with Progress(quiet) as progress:
        images = _images_of(directory, record, data, progress)
        failed = run_study(
            replace(record.study, evaluations=evaluations_of(record.study, evaluations)),
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


def compare(target: Path | None, against: str | None, format: str, strict: bool, junit: Path | None) -> tuple[str, int]:
    """Compare a run or a table with expected values, or a run with another; returns text and exit status."""
    target = target or newest_run(RUNS)
    other = Path(against) if against and _is_run(Path(against)) else None
    if other and junit:
        raise UsageError("--junit is of expected values; leave it out where two runs are compared")
    with opened(target) as ours:
        if other:
            with opened(other) as theirs:
                runs = replace(compare_runs(ours, theirs), first=str(target), second=str(other))
            return render_runs(runs, format), runs.exit_status
        comparison, claims = _comparison(ours, against), _claims(ours)
    if junit:
        write_junit(comparison, junit, claims, strict)
    if not _is_run(target):
        _refuse_useless(comparison, target)
    for unknown in comparison.unknown if format == "csv" else ():  # which has no place for notes
        Progress().warn(f"{target}, rows ignored: {unknown.rows}; {unknown}")
    return render(comparison, format, claims), _exit_status(comparison, claims, strict)


def explain(run_directory: Path | None, format: str) -> str:
    """The fourteen switches in words or, given a run, what those that it turned did."""
    if run_directory is None:
        return render_switches(format)
    with opened(run_directory) as directory:
        record = open_record(directory)
        effects = switch_effects(directory, record)
    return render_effects(effects, f"{record.data['name']}, {record.study.scale}", format)


def report(run_directory: Path | None) -> Path:
    """Write a run's report again; returns the page's path."""
    directory = run_directory or newest_run(RUNS)
    if is_archive(directory):
        raise UsageError(f"{directory} is an archive with its report inside; unpack it, or to write it anew, too")
    return write_report(directory, _comparison(directory, None), _claims(directory))


def _is_run(path: Path) -> bool:
    return (path / "run.json").is_file() or is_archive(path)


def _claims(target: Path) -> list[ClaimResult]:
    """The study's claims, tested on a run's predictions; a table has none."""
    return judge(target, open_record(target)) if target.is_dir() else []


def _exit_status(comparison: Comparison, claims: list[ClaimResult], strict: bool) -> int:
    """A claim that fails is reported, and changes the status only where it is to be strict."""
    failed = strict and any(claim.verdict.verdict == "fails" for claim in claims)
    return max(comparison.exit_status(strict), int(failed))


def _comparison(target: Path, against: str | None) -> Comparison:
    if target.is_dir():
        record = open_record(target)
        results = read_results(target)
        expected = load_expected(against or record.study.expected)
        print_rules = {protocol.name: protocol.switches.ensemble_printing for protocol in record.protocols}  # switch 13
        return compare_tables(results, expected, scope=record.scope, print_rules=print_rules)
    table, expected = read_table(target), load_expected(against or "paper")
    if table.empty:
        raise UsageError(f"{target} has no rows below its header; expected one value a row")
    rows, unknown = known_rows(table, expected)
    return replace(compare_tables(rows, expected), unknown=unknown, ignored=len(table) - len(rows))


def _refuse_useless(comparison: Comparison, table: Path) -> None:
    """UsageError where no row of a table could be compared."""
    if not comparison.rows["seeds"].any():
        why = "; ".join(map(str, comparison.unknown[:1])) or "give another table with --against"
        others = ", ".join(f"{unknown.column} {unknown.word[:40]!r}" for unknown in comparison.unknown[1:])
        more = f"; nor known: {others}" if others else ""
        raise UsageError(f"{table}: none of its rows is of a number in {comparison.expected.name}; {why}{more}")


def _refuse_slow(study: Study, protocols: list[Protocol], options: RunOptions, machine: Machine) -> None:
    """NotFitError for a GPU's study on a CPU, with an estimate, unless --device cpu asks for it."""
    if study.gpu and machine.device.type == "cpu" and options.device != "cpu":
        seconds = estimate_seconds(study, protocols, options.seeds, machine)
        raise NotFitError(
            f"study {study.name} is meant for a GPU and PyTorch sees none; this CPU would take at least "
            f"{duration(seconds)}: give --device cpu to run it all the same, or try pse-repro smoke"
        )
