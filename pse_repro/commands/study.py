"""Training commands: run a study, pre-train or evaluate one model."""

from dataclasses import replace
from pathlib import Path

from pse_repro.claims import is_decided, judge, planned_looks
from pse_repro.claims.power import decidable_claims
from pse_repro.commands.options import RunOptions
from pse_repro.commands.results import comparison_of, exit_status
from pse_repro.compare.render import render
from pse_repro.config.limits import check_seeds
from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Model, Study, Tuning, parse_budget
from pse_repro.data.choose import find_data
from pse_repro.data.stl10 import Dataset, open_dataset
from pse_repro.errors import CellError, NotFitError, UsageError
from pse_repro.machine.device import Machine, choose_machine
from pse_repro.machine.volumes import lost_warning
from pse_repro.progress.stages import Progress
from pse_repro.progress.tensorboard import require
from pse_repro.report.page import write_report
from pse_repro.run.context import RunContext
from pse_repro.run.runner import run_study
from pse_repro.run.tuning import search
from pse_repro.study.address import RunFiles
from pse_repro.study.estimate import estimate_seconds
from pse_repro.study.load import build_study, evaluations_of, load_study, study_protocols, without_test
from pse_repro.study.prepare import RUNS, newest_run
from pse_repro.study.record import Run
from pse_repro.study.tuning import tuned
from pse_repro.text import duration


def run(study_name: str, options: RunOptions) -> tuple[str, int]:
    """Run a study, compare its results and write its report; return the text to print and the exit status."""
    require(options.log_to)
    check_seeds(options.seeds)
    study = load_study(study_name)
    if options.protocol:
        study = replace(study, protocols=tuple(dict.fromkeys(options.protocol)))
    if options.budget:
        study = replace(study, budget=parse_budget(options.budget), scale="reduced")
    if options.without_test:
        study = without_test(study)
    if options.until_decided:
        _refuse_useless_looks(study, options.seeds)
    protocols = study_protocols(study)
    machine = choose_machine(options.device, options.precision, *options.machine_options)
    with Progress(options.quiet) as progress:
        if slow := machine.warning():
            progress.warn(slow)
        _refuse_slow(study, protocols, options, machine)
        data = find_data(options.data, study.embedded, progress)
        directory = options.out or RUNS / study.name
        if warning := lost_warning(options.out or RUNS):
            progress.say(warning)
        if study.tuning:
            beside = RunContext(
                _beside(directory), data, machine, progress, log_to=options.log_to, repair=options.repair
            )
            study = _searched(study, study.tuning, protocols, beside, options)
        is_new = options.fresh or not RunFiles(directory).record.is_file()
        progress.say(f"run directory: {directory} ({'new' if is_new else 'resumed'})")
        looks = planned_looks(options.seeds) if options.until_decided else (options.seeds,)
        # A run that is resumed is judged with all its seeds, so it goes on to the first look that is not behind it.
        begun = 0 if options.fresh else len(RunFiles(directory).stored_seeds())
        ahead = [look for look in looks if look >= begun] or looks[-1:]
        context = RunContext(
            directory, data, machine, progress, log_to=options.log_to, looks=looks, repair=options.repair
        )
        for seeds in ahead:
            fresh = options.fresh and seeds == ahead[0]
            failed = run_study(study, protocols, seeds, context, fresh, options.jobs)
            if len(failed) == len(study.models) * len(protocols) * seeds:
                return "no cell could be finished:\n" + "\n".join(failed.values()), 1
            result = Run.open(directory)
            comparison, claims = comparison_of(result), judge(result)
            progress.say(f"report: {write_report(result, comparison, claims)}")
            if is_decided(claims) and seeds != ahead[-1]:
                progress.say(f"the claims are decided with {seeds} seeds: stopped, as --until-decided asked")
                break
    status = max(exit_status(comparison, claims, options.strict), 1 if failed else 0)
    return render(comparison, options.format, claims), status


def _beside(directory: Path) -> Path:
    """Return the directory of the search for a run's settings."""
    run = directory.resolve()  # "." has no name
    return run.with_name(f"{run.name}-search")


def _searched(
    study: Study, tuning: Tuning, protocols: list[Protocol], context: RunContext, options: RunOptions
) -> Study:
    """Search for the settings of the study's models, or resume; return the study with the best ones as well."""
    context.progress.say(f"search for settings, {len(tuning.tries)} tries a model: {context.directory}")
    found = search(study, tuning, protocols, context, options.fresh, options.jobs)
    if all(each.score is None for each in found):
        raise NotFitError(f"no try of the search in {context.directory} could be trained; its log says why")
    run = Run.open(context.directory)
    context.progress.say(f"report: {write_report(run, comparison_of(run))}")
    return tuned(study, tuning, found)


def _refuse_useless_looks(study: Study, seeds: int) -> None:
    """Raise UsageError if --until-decided could never stop the study before its last seed."""
    if len(planned_looks(seeds)) == 1:
        raise UsageError(
            f"--until-decided with --seeds {seeds} has no earlier look at which to stop; give more, such as 12"
        )
    if not decidable_claims([model.name for model in study.models], study.evaluations):
        raise UsageError(
            f"study {study.name} tests no claim in all its parts, so --until-decided could never stop it: leave it out"
        )


def pretrain(
    encoder: str, objective: str, sigma: float | None, epochs: int, batch_size: int | None, options: RunOptions
) -> Path:
    """Pre-train one model in a run of its own; return the run's directory."""
    require(options.log_to)
    model = {"encoder": encoder, "objective": objective, "sigma": sigma, "epochs": epochs, "batch_size": batch_size}
    name = Model(encoder, objective, sigma).name
    table = {"name": name, "scale": "reduced", "expected": "paper", "epochs": epochs, "models": [model]}
    study = build_study(table | {"protocols": options.protocol or ["as-released"]}, "pretrain")
    study = without_test(study) if options.without_test else study
    protocols = study_protocols(study)
    machine = choose_machine(options.device, options.precision, options.deterministic)
    directory = options.out or RUNS / study.name
    with Progress(options.quiet) as progress:
        if slow := machine.warning():
            progress.warn(slow)
        data = find_data(options.data, study.embedded, progress)
        context = RunContext(directory, data, machine, progress, (), options.log_to, repair=options.repair)
        failed = run_study(study, protocols, 1, context, options.fresh)
    if failed:
        raise CellError("; ".join(failed.values()))
    return directory


def evaluate(directory: Path | None, evaluations: list[str], options: RunOptions) -> tuple[str, int]:
    """Evaluate the models of a run, which need not have requested it; return the scores and the exit status."""
    require(options.log_to)
    run = Run.open(directory or newest_run())
    study = replace(run.study, evaluations=evaluations_of(run.study, evaluations))
    device = run.device if options.device == "auto" else options.device
    machine = choose_machine(device, run.precision, *options.machine_options)
    with Progress(options.quiet) as progress:
        if slow := machine.warning():
            progress.warn(slow)
        images = _images_of(run, options.data, progress)
        context = RunContext(
            run.directory, images, machine, progress, tuple(evaluations), options.log_to, repair=options.repair
        )
        failed = run_study(study, run.protocols, run.seeds, context)
    results = Run.open(run.directory).require_results()
    shown = results[results["evaluation"].isin(evaluations) & results["fold"].isin(["ensemble", ""])]
    columns = ["protocol", "encoder", "objective", "sigma", "seed", "evaluation"]
    scores = shown.pivot_table(index=columns, columns="metric", values="value").reset_index()
    return scores.to_markdown(index=False, floatfmt=".4f", missingval="").replace(" nan ", "     "), 1 if failed else 0


def _images_of(run: Run, data: Path | None, progress: Progress) -> Dataset:
    """Return the run's images, from `data` or, if None, from their recorded path; UsageError for other images."""
    path = None if data else run.images_place
    images = open_dataset(path) if path else find_data(data, run.study.embedded, progress)
    if images.md5 != run.data.get("md5"):
        raise UsageError(
            f"{run.directory} was made on {run.data['name']}, and the images of {images.place} are different: give "
            "--data the folder that it was made on"
        )
    return replace(images, name=run.data["name"])  # the folder may have another name now


def _refuse_slow(study: Study, protocols: list[Protocol], options: RunOptions, machine: Machine) -> None:
    """Raise NotFitError, with an estimate, for a GPU's study on a CPU, unless --device cpu requests it."""
    if study.gpu and machine.device.type == "cpu" and options.device != "cpu":
        seconds = estimate_seconds(study, protocols, options.seeds, machine)
        raise NotFitError(
            f"study {study.name} is meant for a GPU and PyTorch sees none; this CPU would take at least "
            f"{duration(seconds)}: give --device cpu to run it anyway, or try pse-repro smoke"
        )
