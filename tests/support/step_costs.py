"""What a step of pre-training costs a GPU, counted on the pretended one, and the speed that follows for an H100.

    python -m tests.support.step_costs

counts again, and writes docs/results/performance/steps.json and the table in docs/performance.md. A test compares both
with the code. Steps are counted at batches of 2 and 4 images; every operation's bytes and FLOP grow linearly with the
batch, so both give those of any batch.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import torch
from tabulate import tabulate

from pse_repro.config.protocol import load_protocol
from pse_repro.config.study import Budget, Model, Recipe
from pse_repro.data.stl10 import OFFICIAL_IMAGES
from pse_repro.machine.device import choose_machine
from pse_repro.study.cells import length_of
from pse_repro.study.load import load_study
from pse_repro.training.pretrain import Pretraining
from tests.support.pretended_cuda.launch import run_module, why_not
from tests.support.pretended_cuda.state import Work, counted
from tests.support.tiny import dataset

ROOT = Path(__file__).parents[2]
STORED = ROOT / "docs" / "results" / "performance" / "steps.json"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- table: python -m tests.support.step_costs -->\n", "<!-- end of the table -->\n"
CASES = [*product(("cnn", "resnet"), ("mse", "pse"), ("as-released", "as-described"), ("bf16",))]
CASES += [("cnn", "pse", "as-released", "fp32"), ("resnet", "pse", "as-released", "fp32")]
BATCHES = (64, 128)
COUNTED = (2, 4)  # images

# An H100 (SXM): NVIDIA's data sheet, and the share of it that well-made kernels reach.
BYTES_PER_SECOND = 0.85 * 3.3e12
FLOP_PER_SECOND = {"bf16": 0.5 * 800e12, "tf32": 0.5 * 400e12, "fp32": 0.5 * 67e12}
SECONDS_PER_KERNEL = 2e-6  # minimum
SECONDS_BETWEEN = 1e-6  # two kernels, in a graph or not
SECONDS_PER_OPERATION = 9e-6  # for Python and PyTorch to launch one


@dataclass(frozen=True)
class StepCost:
    """The cost of a step; by batch size: megabytes moved an image, and projected images per second."""

    encoder: str
    objective: str
    protocol: str
    precision: str
    operations: int
    kernels: int
    gflop_per_image: float
    megabytes_per_image: dict[str, float]
    plain: dict[str, float]
    captured: dict[str, float]


def cost(encoder: str, objective: str, protocol: str, precision: str) -> StepCost:
    """Count a step at both batch sizes, and project the speed."""
    few, more = (work_of_a_step(encoder, objective, protocol, precision, batch) for batch in COUNTED)
    if [work.name for work in few] != [work.name for work in more]:
        raise ValueError(f"a step of {encoder} {objective} does not launch the same operations at every batch")
    flop, megabytes, plain, captured = 0.0, {}, {}, {}
    for batch in BATCHES:
        works = [at(batch, one, two) for one, two in zip(few, more, strict=True)]
        flop = sum(work.flop for work in works) / batch
        seconds = sum(seconds_of(work) + SECONDS_BETWEEN * work.kernels for work in works)
        megabytes[str(batch)] = round(sum(work.bytes for work in works) / batch / 1e6, 1)
        plain[str(batch)] = _two_digits(batch / max(seconds, SECONDS_PER_OPERATION * len(works)))
        captured[str(batch)] = _two_digits(batch / seconds)
    counts = len(few), sum(work.kernels for work in few)
    return StepCost(encoder, objective, protocol, precision, *counts, round(flop / 1e9, 2), megabytes, plain, captured)


def work_of_a_step(encoder: str, objective: str, protocol: str, precision: str, batch: int) -> list[Work]:
    """Train two steps of the study's networks; return what the second launches, as it does without a graph."""
    under, model = load_protocol(protocol, {"batch_size": batch}), Model(encoder, objective, _sigma(objective))
    recipe = Recipe("cell", model, under, length_of(model, under, 1, Budget(steps=2)), 0)
    training = Pretraining(recipe, dataset(8 * batch, 10, 10), choose_machine("cuda", precision))
    training.captured = None
    counts = []

    def after_batch(_: int) -> None:
        counts.append(len(progress.work))

    with counted() as progress:
        training.train_epoch(0, after_batch)
    return progress.work[counts[0] : counts[1]]


def at(batch: int, few: Work, more: Work) -> Work:
    """Return an operation's work at a batch size, from those at COUNTED."""

    def line(one: int, two: int) -> int:
        return one + (two - one) * (batch - COUNTED[0]) // (COUNTED[1] - COUNTED[0])

    return Work(few.name, few.kernels, line(few.bytes, more.bytes), line(few.flop, more.flop), few.dtype)


def seconds_of(work: Work) -> float:
    """Return the time of an operation on an H100: the longest of its launches, its bytes and its arithmetic."""
    rate = "bf16" if work.dtype == torch.bfloat16 else "tf32" if "conv" in work.name else "fp32"
    of_bytes, of_flop = work.bytes / BYTES_PER_SECOND, work.flop / FLOP_PER_SECOND[rate]
    return max(SECONDS_PER_KERNEL * work.kernels, of_bytes, of_flop)


def table(costs: list[StepCost]) -> str:
    """Return the table of the page, and what it says of the study, in Markdown."""
    header = ["step", "operations", "kernels", "GFLOP per image", "MB per image", "images/s, plain", "captured"]
    rows = [
        [
            f"{cost.encoder} {cost.objective}, {cost.protocol}, {cost.precision}",
            cost.operations,
            cost.kernels,
            f"{cost.gflop_per_image:.2f}",
            *(" / ".join(f"{value:,.{digits}f}" for value in by_batch.values()) for by_batch, digits in _columns(cost)),
        ]
        for cost in costs
    ]
    hours = [f"{whole_study(costs, form):.2f} hours {form}" for form in ("plain", "captured")]
    return (
        f"{tabulate(rows, header, 'github', disable_numparse=True)}\n\n"
        f"The training steps of all seven models of `full`, as released, in bf16: {' or '.join(hours)}.\n"
    )


def whole_study(costs: list[StepCost], form: str) -> float:
    """Return the projected hours of all steps of pre-training in the study `full`, as released, in bf16."""
    study, under = load_study("full"), load_protocol("as-released")
    images = round(OFFICIAL_IMAGES["unlabeled"] * (1 - under.settings.validation_fraction))
    by_model = {(cost.encoder, cost.objective, cost.protocol, cost.precision): cost for cost in costs}
    seconds = 0.0
    for model in study.models:
        length = length_of(model, under, study.epochs)
        steps = length.epochs * (images // length.batch_size)
        rates: dict[str, float] = getattr(by_model[model.encoder, model.objective, "as-released", "bf16"], form)
        seconds += steps * length.batch_size / rates[str(length.batch_size)]
    return seconds / 3600


def _columns(cost: StepCost) -> Iterator[tuple[dict[str, float], int]]:
    yield from ((cost.megabytes_per_image, 1), (cost.plain, 0), (cost.captured, 0))


def stored() -> tuple[str, list[StepCost]]:
    """Return the stored counts, and the version of PyTorch that they were made with."""
    content = json.loads(STORED.read_text())
    return content["torch"], [StepCost(**row) for row in content["steps"]]


def _sigma(objective: str) -> float | None:
    return 3.0 if objective == "pse" else None


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")


def _write() -> None:
    costs = [cost(*case) for case in CASES]
    STORED.parent.mkdir(parents=True, exist_ok=True)
    content = {"torch": torch.__version__.partition("+")[0], "steps": [asdict(each) for each in costs]}
    STORED.write_text(json.dumps(content, indent=1) + "\n")
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + table(costs) + END + rest.split(END)[1])


if __name__ == "__main__":
    if "--here" not in sys.argv:
        sys.exit(why_not() or run_module("tests.support.step_costs", ["--here"]).returncode)
    from tests.support.pretended_cuda.plugin import enter

    enter()
    _write()
