"""The plan of a study: its cells, their length, and a lower bound of their time on this machine."""

from dataclasses import asdict, dataclass
from typing import Any

from tabulate import tabulate

from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Study
from pse_repro.machine.device import Machine
from pse_repro.study.cells import Cell, expand
from pse_repro.study.estimate import estimate_seconds
from pse_repro.text import duration, to_json


@dataclass(frozen=True)
class Plan:
    """A study's cells on a machine; `seconds` is a lower bound of their time."""

    study: str
    scale: str
    expected: str
    images: str
    device: str
    precision: str
    seconds: float
    cells: list[dict[str, Any]]


def make_plan(study: Study, protocols: list[Protocol], seeds: int, machine: Machine) -> Plan:
    """Expand the study into cells, and measure this machine for a few seconds to estimate their time."""
    return Plan(
        study=study.name,
        scale=study.scale,
        expected=study.expected,
        images="any" if study.embedded else "STL-10",
        device=machine.device.type,
        precision=machine.precision,
        seconds=estimate_seconds(study, protocols, seeds, machine),
        cells=[_row(cell) for cell in expand(study, protocols, seeds)],
    )


def _row(cell: Cell) -> dict[str, Any]:
    length = cell.length
    return {
        "protocol": cell.protocol.name,
        "encoder": cell.model.encoder,
        "objective": cell.model.objective,
        "sigma": cell.model.sigma,
        "seed": cell.seed,
        "epochs": length.epochs,
        "batch_size": length.batch_size,
        "learning_rate": cell.recipe.learning_rate,
        "evaluations": list(cell.evaluations),
        "folds": cell.folds,
    }


def render_plan(plan: Plan, format: str) -> str:
    """Render as `format`: table, for people, or json (schemas/plan.schema.json)."""
    if format == "json":
        return to_json(asdict(plan))
    rows = [row | {"evaluations": ", ".join(row["evaluations"])} for row in plan.cells]
    table = tabulate(rows, headers="keys", tablefmt="simple", missingval="")
    where = f"{plan.device}, {plan.precision}"
    return f"{table}\nstudy {plan.study}: {len(rows)} models, at least {duration(plan.seconds)} here ({where})"
