"""Part "study": the CNN pair under both protocols, as long as the time left allows; its report and comparison.

Then what the study `full` would take on this machine, from the measured seconds of epochs.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from pse_repro.bench.card.speed import image_seconds
from pse_repro.bench.card.task import Task, run_within
from pse_repro.claims import judge
from pse_repro.compare.join import compare
from pse_repro.compare.render import render
from pse_repro.config.study import Budget, Study
from pse_repro.data.choose import find_data
from pse_repro.data.stl10 import SPLITS
from pse_repro.errors import NotFitError
from pse_repro.evaluation.cost import Costs
from pse_repro.expected import load_expected
from pse_repro.files import write_bytes
from pse_repro.machine.device import Machine
from pse_repro.progress.stages import Progress
from pse_repro.study import store
from pse_repro.study.address import RunFiles
from pse_repro.study.cells import Cell
from pse_repro.study.estimate import estimate_seconds, measure
from pse_repro.study.load import load_study, study_protocols
from pse_repro.study.record import Run

SHARE = 0.5  # of the time left that the estimate may fill: it is a lower bound
AROUND_SECONDS = 40.0  # for what no estimate counts: starting, reading images, report, comparison
CLOSING_SECONDS = 25.0  # for the comparison and projection after a study that has to be stopped
STUDY = """# Written by pse-repro bench --card.
name = "card"
scale = "reduced"
expected = "paper"
protocols = {protocols}
evaluations = ["finetune", "frozen", "linear", "knn"]
folds = 2
epochs = {epochs}

[budget]
images = {images}

{sizes}
[[models]]
encoder = "cnn"
objective = "mse"

[[models]]
encoder = "cnn"
objective = "pse"
sigma = 3
"""
PROTOCOLS = ["as-released", "as-described"]
EPOCHS = 10
SIZES = "[overrides]\ndownstream_max_epochs = 20\n"
QUICK_SIZES = """[overrides]
downstream_max_epochs = 1
batch_size = 4

[subset]
unlabeled = 30
train = 30
test = 20
"""
QUICK_IMAGES = 8  # two steps


def run_pair(task: Task) -> None:
    """Choose the length, run the study as a user would, then compare it and project `full`.

    Raises:
        NotFitError: the study failed or was stopped; what it did is compared and projected all the same.
    """
    machine = task.machine(task.precision)
    costs = _measured_costs(task, machine)
    _note_full(task, machine, costs, "the bench's rates")
    path, run = task.out / "study.toml", task.out / "run"
    epochs, sizes, protocols = (1, QUICK_SIZES, PROTOCOLS[:1]) if task.quick else (EPOCHS, SIZES, PROTOCOLS)
    text = partial(STUDY.format, epochs=epochs, sizes=sizes, protocols=json.dumps(protocols))
    write_bytes(path, text(images=epochs * 1000).encode())
    images = QUICK_IMAGES if task.quick else _images_that_fit(task, load_study(str(path)), costs["cnn"], machine)
    write_bytes(path, text(images=images).encode())
    task.note("images of each pre-training", images)
    words = ["--device", task.device, "--precision", task.precision, "--out", str(run), *task.images()]
    reason = _try(task.kit("run", str(path), *words), task.seconds_left - CLOSING_SECONDS)
    if RunFiles(run).results.exists():
        _compare(task, Run.open(run))
        costs = costs | {"cnn": _with_epochs(task, Run.open(run), costs["cnn"])}
        _note_full(task, machine, costs, "the run's epochs")
    if reason:
        raise NotFitError(f"the study {reason}")


def _try(command: list[str], seconds: float) -> str:
    """Run the command; return what went wrong. Its status 1 is a verdict on numbers, and every result is there."""
    try:
        status = run_within(command, seconds)
    except NotFitError as error:
        return str(error)
    return "" if status in (0, 1) else f"ended with status {status}"


def _measured_costs(task: Task, machine: Machine) -> dict[str, Costs]:
    """Measure the costs of each encoder; those of training are the bench's for a whole step, if there are any."""
    costs = measure(["cnn", "resnet"], machine)
    rates = image_seconds(task.out, task.precision)
    return {name: replace(cost, train=rates[name], step=0.0) if name in rates else cost for name, cost in costs.items()}


def _images_that_fit(task: Task, study: Study, cost: Costs, machine: Machine) -> int:
    """Return the largest budget of images whose estimate fits into SHARE of the time left."""
    with Progress(quiet=True) as progress:
        data = find_data(task.data, True, progress)
    counts = {split: len(getattr(data, split)) for split in SPLITS}
    protocols = study_protocols(study)

    def seconds(images: int) -> float:
        sized = replace(study, budget=Budget(images=images))
        return estimate_seconds(sized, protocols, 1, machine, {"cnn": cost}, counts)

    least = study.epochs * protocols[0].settings.batch_size
    per_image = (seconds(2 * least) - seconds(least)) / least
    spare = SHARE * (task.seconds_left - AROUND_SECONDS) - seconds(least)
    return least * max(1, 1 + int(spare / per_image / least))


def _compare(task: Task, run: Run) -> None:
    """Store the run's comparison, as `compare --format json` and `markdown` print it."""
    expected, results = load_expected(run.study.expected), run.require_results()
    comparison = compare(results, expected, scope=run.scope, print_rules=run.ensemble_printing)
    claims = judge(run)
    for format, suffix in (("json", "json"), ("markdown", "md")):
        text = render(comparison, format, claims)
        write_bytes(task.out / f"comparison.{suffix}", text.encode() + b"\n")


def _with_epochs(task: Task, run: Run, cost: Costs) -> Costs:
    """Note the seconds of epochs and evaluations; return the costs with the training as released that they show."""
    trained = []
    for cell in run.cells:
        record = run.provenance(cell)
        if record is None:
            continue
        name = f"{cell.protocol.name}, {cell.model.name}"
        epochs = store.read_csv(run.files(cell).curves)["seconds"]
        images = cell.length.steps or 0
        images *= cell.length.batch_size
        held_out = record.data.images["unlabeled"] * cell.protocol.settings.validation_fraction
        per_image = max((float(epochs.median()) - held_out * cost.forward) / images, 0.0)
        task.note(f"{name}: epoch of {images:,} images", float(epochs.median()), "s")
        for evaluation, seconds in _by_evaluation(record.seconds, cell).items():
            task.note(f"{name}: {evaluation}", seconds, "s")
        if cell.protocol.name == "as-released":
            trained.append(per_image)
    return replace(cost, train=sum(trained) / len(trained), step=0.0) if trained else cost


def _by_evaluation(seconds: Mapping[str, float], cell: Cell) -> dict[str, float]:
    """Return the seconds of each evaluation, all folds together."""
    return {
        evaluation: sum(value for part, value in seconds.items() if part.partition("/")[0] == evaluation)
        for evaluation in cell.evaluations
    }


def _note_full(task: Task, machine: Machine, costs: Mapping[str, Costs], source: str) -> None:
    study = load_study("full")
    for protocol in study_protocols(replace(study, protocols=("as-released", "as-described"))):
        hours = estimate_seconds(study, [protocol], 1, machine, costs) / 3600
        task.note(f"full on STL-10, {protocol.name}, one seed, by {source}: at least", hours, "h")
