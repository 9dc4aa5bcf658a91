"""Measurement of a group: the peak memory of every form, then the time of all forms in turn, round after round.

Machines are noisy, so forms to be compared are measured in the same rounds and compared round by round.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pse_repro.bench.memory import peak_memory
from pse_repro.bench.result import Measured, Ratio, Spread
from pse_repro.bench.rows import OURS, STRAIGHTFORWARD, Call, Form, Group, Row
from pse_repro.machine.device import Machine

MAX_CALLS = 50  # of a form between two waits for a GPU
STRETCH_SECONDS = 0.1  # of work between two waits, beside which the wait itself (some ten microseconds) is nothing


@dataclass
class Taken:
    """Measurements of one form of a row: peak memory in bytes, seconds of its first call and of each round."""

    row: Row
    form: Form
    peak: int | None = None
    warm_up: float | None = None
    seconds: list[float] = field(default_factory=list)

    @property
    def per_unit(self) -> list[float]:
        return [seconds / self.row.count for seconds in self.seconds]


def time_group(group: Group, machine: Machine, rounds: int, done: Callable[[int], None]) -> list[Taken]:
    """Time every form of a group; `done(1)` is called after each timing."""
    taken = [Taken(row, form) for row in group.rows for form in row.forms]
    if not group.once:
        for one in taken:
            one.peak = peak_memory(one.form.first_call, machine.device)
            done(1)
    calls = [one.form.build() for one in taken]
    repeats = [1] * len(taken)
    if not group.once:
        for position, (one, call) in enumerate(zip(taken, calls, strict=True)):
            one.warm_up = seconds_per_call(call, machine)
            repeats[position] = calls_between_waits(call, machine)
            done(1)
    for _ in range(1 if group.once else rounds):
        for one, call, repeat in zip(taken, calls, repeats, strict=True):
            one.seconds.append(seconds_per_call(call, machine, repeat))
            done(1)
    return taken


def calls_between_waits(call: Call, machine: Machine) -> int:
    """Return how many calls to time together: 1 on a CPU, on a GPU enough for STRETCH_SECONDS, up to MAX_CALLS.

    A GPU works while Python launches what comes next. One short call between two waits would be the time of its
    launches, one after another, and not that of its work. `call` is made twice here on a GPU, after its first call.
    """
    if machine.device.type != "cuda":
        return 1
    seconds = seconds_per_call(call, machine, 2)
    return max(1, min(MAX_CALLS, math.ceil(STRETCH_SECONDS / max(seconds, 1e-9))))


def call_count(group: Group, rounds: int) -> int:
    """Return the number of timings that `time_group` announces."""
    return sum(len(row.forms) for row in group.rows) * (1 if group.once else 2 + rounds)


def seconds_per_call(call: Call, machine: Machine, calls: int = 1) -> float:
    """Return the mean seconds of `calls` calls between two waits for the device."""
    machine.synchronize()
    started = time.perf_counter()
    for _ in range(calls):
        call()
    machine.synchronize()
    return (time.perf_counter() - started) / calls


def measured(group: str, taken: list[Taken], rates: Mapping[str, float]) -> list[Measured]:
    """Return the results of each form; `rates` are operations per second by precision."""
    plain = {one.row.name: one for one in taken if one.form.name == STRAIGHTFORWARD}
    return [_measured(group, one, plain.get(one.row.name), rates) for one in taken]


def _measured(group: str, one: Taken, plain: Taken | None, rates: Mapping[str, float]) -> Measured:
    row, form, spread = one.row, one.form, Spread.of(one.seconds)
    rate = rates.get(form.precision)
    return Measured(
        group=group,
        row=row.name,
        form=form.name,
        precision=form.precision,
        unit=row.unit,
        count=row.count,
        rounds=tuple(one.seconds),
        seconds=spread,
        warm_up_seconds=one.warm_up,
        per_second=row.count / spread.median,
        peak_memory_bytes=one.peak,
        flops=row.flops,
        matrix_rate_share=row.flops / spread.median / rate if row.flops and rate else None,
        speedup=None if plain is None else _quotients(plain.seconds, one.seconds),
    )


def ratios(name: str, group: Group, taken: list[Taken]) -> list[Ratio]:
    """Return the group's quotients, in each precision of the denominator's row.

    A numerator without that precision is taken in float32.
    """
    ours = {(one.row.name, one.form.precision): one for one in taken if one.form.name == OURS}
    found = []
    for quotient in group.quotients:
        for other in taken:
            if (other.row.name, other.form.name) == (quotient.other, quotient.other_form):
                precision = other.form.precision
                one = ours.get((quotient.row, precision)) or ours[quotient.row, "fp32"]
                found.append(Ratio(name, quotient.name, precision, _quotients(one.per_unit, other.per_unit)))
    return found


def _quotients(above: list[float], below: list[float]) -> Spread:
    return Spread.of([a / b for a, b in zip(above, below, strict=True)])
