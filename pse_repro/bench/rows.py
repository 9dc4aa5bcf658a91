"""What is measured: rows of forms, in groups; a form is built afresh for each measurement.

A row is one piece of work. Its forms do that work: "ours" is the kit's own path, once for each precision;
"straightforward" is the plain implementation, in float32; others have names of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pse_repro.bench.sizes import Sizes
from pse_repro.data.stl10 import Dataset
from pse_repro.machine.device import Machine

Call = Callable[[], object]
OURS, STRAIGHTFORWARD = "ours", "straightforward"


@dataclass(frozen=True)
class Form:
    """One way of doing a row's work; `build` makes what it needs and returns the call that is timed."""

    name: str
    precision: str
    build: Callable[[], Call]

    def first_call(self) -> None:
        self.build()()


@dataclass(frozen=True)
class Row:
    """A piece of work: a call does `count` of `unit`, with `flops` floating-point operations in the networks."""

    name: str
    unit: str
    count: int
    forms: tuple[Form, ...]
    flops: int | None = None


@dataclass(frozen=True)
class Quotient:
    """Time for one unit of a row next to that of another row, both ours."""

    name: str
    row: str
    other: str


@dataclass(frozen=True)
class Group:
    """Rows that are measured in turn, round after round; `once`: a single time, without warm-up or memory."""

    rows: tuple[Row, ...]
    quotients: tuple[Quotient, ...] = ()
    once: bool = False


@dataclass(frozen=True)
class Setting:
    """What groups are built from: the images, our machine in each precision, and how much work a call is."""

    data: Dataset
    machines: tuple[Machine, ...]
    sizes: Sizes

    @property
    def plain(self) -> Machine:
        """The straightforward forms' machine: the same device in float32."""
        return Machine(self.machines[0].device, "fp32")


def ours(setting: Setting, build: Callable[[Machine], Call]) -> tuple[Form, ...]:
    """The kit's path in every precision asked for."""
    return tuple(Form(OURS, machine.precision, partial(build, machine)) for machine in setting.machines)


def ours_fp32(build: Callable[[], Call]) -> Form:
    """The kit's path where it is float32 in every precision."""
    return Form(OURS, "fp32", build)


def straightforward(build: Callable[[], Call]) -> Form:
    return Form(STRAIGHTFORWARD, "fp32", build)
