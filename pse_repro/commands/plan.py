"""The plan command: a study's cells, a lower bound of their time on this machine, and the power for its claims."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from tabulate import tabulate

from pse_repro.claims.power import MAX_SEEDS, WORLDS, ClaimPower, Shares, claims_power
from pse_repro.compare.chance import planned_rows, table_outcomes
from pse_repro.config.limits import check_seeds
from pse_repro.config.protocol import Protocol
from pse_repro.config.study import Study
from pse_repro.expected import load_expected
from pse_repro.machine.device import Machine, choose_machine
from pse_repro.progress.stages import Progress
from pse_repro.study.cells import Cell, expand, scope
from pse_repro.study.estimate import estimate_seconds
from pse_repro.study.load import load_study, study_protocols
from pse_repro.study.tuning import search_of
from pse_repro.text import NONE, duration, table, to_json, wrapped


@dataclass(frozen=True)
class Plan:
    """A study's cells on a machine, and what a run with `seeds` seeds could say.

    `seconds` is a lower bound of the time. `numbers` is the number of published values that the study measures under
    their own conditions, `table` how often it would reproduce them all together, by WORLDS (empty without any).
    """

    study: str
    scale: str
    expected: str
    images: str
    device: str
    precision: str
    seconds: float
    seeds: int
    numbers: int
    table: dict[str, Shares]
    claims: list[ClaimPower]
    cells: list[dict[str, Any]]


def plan(study_name: str, protocol_names: list[str], device: str, precision: str, seeds: int, format: str) -> str:
    """List a study's cells, the least time that they would take on this machine, and what it could show, as text."""
    check_seeds(seeds)
    study = load_study(study_name)
    if protocol_names:
        study = replace(study, protocols=tuple(dict.fromkeys(protocol_names)))
    machine = choose_machine(device, precision)
    if slow := machine.warning():
        Progress().warn(slow)
    return _render(_plan(study, study_protocols(study), seeds, machine), format)


def _plan(study: Study, protocols: list[Protocol], seeds: int, machine: Machine) -> Plan:
    """Expand the study into cells, and measure this machine for a few seconds to estimate their time.

    With a search for settings, its tries come first, and the time is also that of the models with the best of them.
    """
    tries, seconds = [], estimate_seconds(study, protocols, seeds, machine)
    if study.tuning:
        search = search_of(study, study.tuning)
        tries = expand(search, protocols, study.tuning.seeds)
        seconds = 2 * seconds + estimate_seconds(search, protocols, study.tuning.seeds, machine)
    cells, expected = expand(study, protocols, seeds), load_expected("slides")
    rows = planned_rows(expected, scope(cells), seeds)
    is_own = study.scale == "full" and study.unlabeled == "all"
    is_comparable = is_own and expected.conditions["protocol"] in [each.name for each in protocols]
    numbers = len(rows) if is_comparable else 0
    return Plan(
        study=study.name,
        scale=study.scale,
        expected=study.expected,
        images="any" if study.embedded else "STL-10",
        device=machine.device.type,
        precision=machine.precision,
        seconds=seconds,
        seeds=seeds,
        numbers=numbers,
        table=table_outcomes(rows, expected) if numbers else {},
        claims=claims_power([model.name for model in study.models], study.evaluations, seeds),
        cells=[_row(cell) for cell in (*tries, *cells)],
    )


def _row(cell: Cell) -> dict[str, Any]:
    length = cell.length
    return {
        "protocol": cell.protocol.name,
        "encoder": cell.model.encoder,
        "objective": cell.model.labelled,
        "sigma": cell.model.sigma,
        "seed": cell.seed,
        "epochs": length.epochs,
        "batch_size": length.batch_size,
        "learning_rate": cell.recipe.learning_rate,
        "evaluations": list(cell.evaluations),
        "folds": cell.folds,
    }


def _render(plan: Plan, format: str) -> str:
    """Render as `format`: table, for people, or json (schemas/plan.schema.json)."""
    if format == "json":
        return to_json(asdict(plan))
    rows = [row | {"evaluations": ", ".join(row["evaluations"])} for row in plan.cells]
    cells = tabulate(rows, headers="keys", tablefmt="simple", missingval="")
    where = f"{plan.device}, {plan.precision}"
    text = f"{cells}\nstudy {plan.study}: {len(rows)} models, at least {duration(plan.seconds)} here ({where})"
    return f"{text}\n\n{_power(plan)}" if plan.claims else text


def _power(plan: Plan) -> str:
    """Tabulate what runs with the planned seeds would say in each of WORLDS."""
    header = ("yes / no / undecided, %", "parts here", *WORLDS, "seeds for 80 % yes")
    rows = []
    if plan.table:
        rows.append([f"{plan.numbers} numbers together", NONE, *map(shares_text, plan.table.values()), NONE])
    for claim in plan.claims:
        needed = claim.seeds_needed or (f"more than {MAX_SEEDS}" if claim.worlds else "cannot hold")
        shares = [shares_text(each) for each in claim.worlds.values()] or [NONE] * len(WORLDS)
        parts = f"{claim.parts_tested} of {claim.parts_total}"
        rows.append([f"{claim.number} {claim.short}", parts, *shares, str(needed)])
    note = (
        f"What runs with {plan.seeds} seed{'s' * (plan.seeds > 1)} would say if the true differences between the "
        "losses are the published ones, half of them, or none; for runs of the study's own length on STL-10, with the "
        "spread of the published tables (expected/tolerances.toml). A claim holds only if all its parts are tested."
    )
    if plan.scale == "reduced":
        note += " This study is a reduced one: its effects and spread are not those."
    return "\n".join([table(header, "l" + "r" * (len(header) - 1), rows), *wrapped(note, 100)])


def shares_text(shares: Shares) -> str:
    """Format the shares of runs that say yes, no and neither, in percent: `98 / 0 / 2`."""
    return " / ".join(f"{100 * share:.0f}" for share in (shares.yes, shares.no, shares.undecided))
