"""Rows and forms of the bench, in groups; a form is built again for each measurement.

A row is one piece of work. Its forms do that work in different ways: "ours" is the kit's own code, once per precision;
"straightforward" is the plain implementation, in float32; others have names of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from pse_repro.bench.sizes import Sizes
from pse_repro.data.stl10 import Dataset
from pse_repro.machine.device import Machine

Call = Callable[[], object]
OURS, STRAIGHTFORWARD = "ours", "straightforward"
JOINTLY = "ours, folds jointly"
UNCAPTURED = "ours, without CUDA graphs"


@dataclass(frozen=True)
class Form:
    """One way to do a row's work; `build` prepares it and returns the call to be timed."""

    name: str
    precision: str
    build: Callable[[], Call]

    def first_call(self) -> None:
        self.build()()


@dataclass(frozen=True)
class Row:
    """A piece of work: one call processes `count` units, with `flops` floating-point operations in the networks."""

    name: str
    unit: str
    count: int
    forms: tuple[Form, ...]
    flops: int | None = None


@dataclass(frozen=True)
class Quotient:
    """Our time per unit of one row over that of another, in the same form or in another."""

    name: str
    row: str
    other: str
    other_form: str = OURS


@dataclass(frozen=True)
class Group:
    """Rows measured in turn, round after round; with `once` a single time, without warm-up and peak memory."""

    rows: tuple[Row, ...]
    quotients: tuple[Quotient, ...] = ()
    once: bool = False


@dataclass(frozen=True)
class Setting:
    """Input of the groups: the images, our machine in each precision, and the amount of work per call."""

    data: Dataset
    machines: tuple[Machine, ...]
    sizes: Sizes

    @property
    def plain(self) -> Machine:
        """Machine of the straightforward forms: the same device in float32."""
        return Machine(self.machines[0].device, "fp32")


def ours(setting: Setting, build: Callable[[Machine], Call]) -> tuple[Form, ...]:
    """Return forms of the kit's own code, one for each requested precision."""
    return tuple(Form(OURS, machine.precision, partial(build, machine)) for machine in setting.machines)


def ours_jointly(setting: Setting, build: Callable[[Machine], Call]) -> tuple[Form, ...]:
    """Return `ours` with the folds that share an encoder trained jointly."""
    machines = (replace(machine, joint_folds=True) for machine in setting.machines)
    return tuple(Form(JOINTLY, machine.precision, partial(build, machine)) for machine in machines)


def ours_uncaptured(setting: Setting, build: Callable[[Machine], Call]) -> tuple[Form, ...]:
    """Return `ours` with every operation launched by Python; none on a CPU, which has no graphs."""
    machines = (replace(machine, cuda_graphs=False) for machine in setting.machines if machine.captures)
    return tuple(Form(UNCAPTURED, machine.precision, partial(build, machine)) for machine in machines)


def loop_over_joint(row: str) -> Quotient:
    """Return how many times faster the joint training is: only at 1.3 times or more may it become the default."""
    return Quotient(f"folds one by one / jointly: {row}", row, row, JOINTLY)


def ours_fp32(build: Callable[[], Call]) -> Form:
    """Return the form of the kit's own code, if it computes in float32 in every precision."""
    return Form(OURS, "fp32", build)


def straightforward(build: Callable[[], Call]) -> Form:
    return Form(STRAIGHTFORWARD, "fp32", build)
