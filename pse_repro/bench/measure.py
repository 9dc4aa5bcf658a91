"""Measurement of a group: the peak memory of every form, then the time of all forms in turn, round after round.

Machines are noisy, so forms to be compared are measured in the same rounds and compared round by round.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pse_repro.bench.memory import peak_memory
from pse_repro.bench.result import Measured, Ratio, Spread
from pse_repro.bench.rows import OURS, STRAIGHTFORWARD, Call, Form, Group, Row
from pse_repro.machine.device import Machine


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
    """Time every form of a group; `done(1)` is called after each call."""
    taken = [Taken(row, form) for row in group.rows for form in row.forms]
    if not group.once:
        for one in taken:
            one.peak = peak_memory(one.form.first_call, machine.device)
            done(1)
    calls = [one.form.build() for one in taken]
    for turn in range(1 if group.once else 1 + rounds):
        for one, call in zip(taken, calls, strict=True):
            seconds = _seconds(call, machine)
            if turn or group.once:
                one.seconds.append(seconds)
            else:
                one.warm_up = seconds
            done(1)
    return taken


def call_count(group: Group, rounds: int) -> int:
    """Return the number of calls that `time_group` makes."""
    return sum(len(row.forms) for row in group.rows) * (1 if group.once else 2 + rounds)


def _seconds(call: Call, machine: Machine) -> float:
    machine.synchronize()
    started = time.perf_counter()
    call()
    machine.synchronize()
    return time.perf_counter() - started


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
