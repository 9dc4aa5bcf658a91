"""A whole bench: the machine and its matrix products, then one group after another."""

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from pse_repro.bench.arithmetic import matrix_rates
from pse_repro.bench.groups import GROUPS, chosen
from pse_repro.bench.measure import call_count, measured, ratios, time_group
from pse_repro.bench.memory import MEANING
from pse_repro.bench.render import render
from pse_repro.bench.result import Measured, Place, Ratio, Result, load, save
from pse_repro.bench.rows import Setting
from pse_repro.bench.sizes import CPU, GPU, QUICK
from pse_repro.data.choose import find_data
from pse_repro.data.stl10 import SPLITS
from pse_repro.machine.device import Machine, choose_machine
from pse_repro.machine.provenance import provenance
from pse_repro.machine.system import read_cpu
from pse_repro.progress.stages import Progress
from pse_repro.seeding import seeded


@dataclass(frozen=True)
class Options:
    """Options of a bench: groups (`rows`; the default ones if empty), precisions, and rounds after the warm-up."""

    rows: Sequence[str]
    device: str
    precisions: tuple[str, ...]
    data: Path | None
    rounds: int
    quick: bool = False
    quiet: bool = False


def bench(options: Options, format: str, directory: Path | None) -> str:
    """Measure, save the result to `directory` if given, and return it in this format."""
    names = chosen(options.rows)
    machines = tuple(choose_machine(options.device, precision) for precision in options.precisions)
    place = _place(machines[0])  # first, so that the load is that of other programs
    with Progress(options.quiet) as progress:
        data = find_data(options.data, True, progress)
        sizes = QUICK if options.quick else GPU if machines[0].device.type == "cuda" else CPU
        setting = Setting(data, machines, sizes)
        rates = matrix_rates(dict.fromkeys((*machines, setting.plain)), sizes.matrix_side)
        rows: list[Measured] = []
        quotients: list[Ratio] = []
        for name in names:
            found = _group(name, setting, 1 if options.quick else options.rounds, rates, progress)
            rows += found[0]
            quotients += found[1]
        result = replace(_result(options, place, setting, rates), rows=tuple(rows), ratios=tuple(quotients))
        if directory:
            progress.say(f"saved: {save(result, directory)}")
    return render(result, format)


def render_file(path: Path, rows: Sequence[str], format: str) -> str:
    """Return a saved result in this format; only the groups in `rows`, if any are named."""
    return render(load(path).only(rows), format)


def _group(
    name: str, setting: Setting, rounds: int, rates: dict[str, float], progress: Progress
) -> tuple[list[Measured], list[Ratio]]:
    group, machine = GROUPS[name](setting), setting.machines[0]
    with progress.stage(name, call_count(group, rounds), unit="calls") as stage, seeded("bench", name):
        taken = time_group(group, machine, rounds, stage.advance)
    return measured(name, taken, rates), ratios(name, group, taken)


def _place(machine: Machine) -> Place:
    load_average = os.getloadavg()
    cpu, described = read_cpu(), machine.describe()
    return Place(
        device="cuda" if machine.device.type == "cuda" else "cpu",
        name=str(described["name"]) if machine.device.type == "cuda" else cpu.name,
        processor=cpu.name,
        cores=cpu.cores,
        threads=torch.get_num_threads(),
        load_average=load_average,
        platform=platform.platform(),
    )


def _result(options: Options, place: Place, setting: Setting, rates: dict[str, float]) -> Result:
    """Return a result without rows."""
    data = setting.data
    origin = provenance(data.description, setting.machines[0])
    return Result(
        date=time.strftime("%Y-%m-%d"),
        place=place,
        versions=origin["versions"],
        git=origin["git"],
        precisions=options.precisions,
        quick=options.quick,
        data=data.name,
        images={split: len(getattr(data, split)) for split in SPLITS},
        matrix_rates=rates,
        memory_means=MEANING[place.device],
        rows=(),
        ratios=(),
    )
