"""The main finding: PSE's gain over MSE as released and as described, beside the change of MSE's own accuracy."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pse_repro.claims.definitions import shown
from pse_repro.compare.effects import Effect
from pse_repro.config.protocol import load_protocol
from pse_repro.evaluation.registry import title_of
from pse_repro.expected import load_expected
from pse_repro.report.tables import Table
from pse_repro.stats import Interval
from pse_repro.study.record import Run
from pse_repro.text import NONE

RELEASED, DESCRIBED = "as-released", "as-described"
_LABELS = {RELEASED: "as the code was released", DESCRIBED: "as the slides describe it"}


@dataclass(frozen=True)
class Finding:
    """Sentences (`words`), and a table if a pair has been evaluated.

    `command` runs the same study under both protocols; it is empty if this run has both.
    """

    words: list[str]
    table: Table | None
    command: str = ""


def finding(run: Run, effects: Sequence[Effect]) -> Finding | None:
    """Summarise PSE's gain as released and as described; `effects` are the run's `switch_effects`.

    None if the run has neither protocol, or does not have both MSE and PSE.
    """
    ran = [protocol.name for protocol in run.protocols if protocol.name in (RELEASED, DESCRIBED)]
    if not ran or len({model.objective for model in run.study.models} & {"mse", "pse"}) < 2:
        return None
    ran = sorted(ran, reverse=True)  # as released first
    by_protocol = {name: {_key(each): each for each in effects if each.protocol == name} for name in ran}
    table = _table(by_protocol)
    if len(ran) == 2:
        return Finding(_both(by_protocol), table)
    [own], [other] = ran, {RELEASED, DESCRIBED} - set(ran)
    words = (
        f"This run trains and evaluates the models only {_LABELS[own]}. Running them {_LABELS[other]} as well would "
        f"show how much PSE's gain, and the accuracy itself, depend on the {_differing()} of fourteen switches in "
        "which the two protocols differ."
    )
    folder = f"runs/{run.study.name}-both"
    return Finding([words], table, f"{run.command((RELEASED, DESCRIBED))} --out {folder}")


def _differing() -> int:
    """Return the number of switches in which the two protocols differ."""
    released, described = (asdict(load_protocol(name).switches) for name in (RELEASED, DESCRIBED))
    return sum(released[name] != described[name] for name in released)


def _key(effect: Effect) -> tuple[str, str]:
    return effect.pair, effect.evaluation


def _both(by_protocol: dict[str, dict[tuple[str, str], Effect]]) -> list[str]:
    """Return a sentence per evaluation, and one more if the protocol's effect always exceeds that of the loss."""
    released, described = by_protocol[RELEASED], by_protocol[DESCRIBED]
    common = [key for key in released if key in described]
    words = []
    for evaluation in dict.fromkeys(evaluation for _, evaluation in common):
        keys = [key for key in common if key[1] == evaluation]
        gains = [_range([each[key].gap for key in keys]) for each in (released, described)]
        moves = _range([_moved(described[key]) for key in keys])
        words.append(
            f"{title_of(evaluation)}: PSE gains {gains[0]} points over MSE as released and "
            f"{gains[1]} as described, while the accuracy of MSE itself moves by {moves}."
        )
    moved = [abs(_moved(described[key]).estimate) for key in common]
    gained = [abs(each[key].gap.estimate) for each in (released, described) for key in common]
    if common and min(moved) > max(gained):
        words.append(
            "How the models are trained and evaluated matters more here than which of the two losses they use."
        )
    return words or ["No pair of models is complete under both protocols yet."]


def _moved(described: Effect) -> Interval:
    """Return the change of MSE's accuracy against as released, over the seeds that both protocols have."""
    assert described.mse_change is not None  # the run has both protocols
    return described.mse_change


def _range(found: Sequence[Interval]) -> str:
    """Format the gain of one pair with its interval, or the lowest and highest gain of several pairs."""
    if len(found) == 1:
        return _points(found[0])
    estimates = [each.estimate for each in found]
    return f"{min(estimates):+.2f} to {max(estimates):+.2f}"


def _table(by_protocol: dict[str, dict[tuple[str, str], Effect]]) -> Table | None:
    """Return a row per pair and evaluation: gain on the slides, gain and accuracy of MSE under each protocol."""
    keys = list(dict.fromkeys(key for effects in by_protocol.values() for key in effects))
    if not keys:
        return None
    names, both = list(by_protocol), len(by_protocol) > 1
    rows = []
    for pair, evaluation in keys:
        found = [by_protocol[name].get((pair, evaluation)) for name in names]
        pse, mse = pair.split(" - ")
        move = found[-1].mse_change if both and found[-1] else None
        rows.append([
            f"{shown(pse)} over {shown(mse)}", title_of(evaluation),
            _published(pse, mse, evaluation),
            *(_points(each.gap if each else None) for each in found),
            *(f"{each.mse_top1:.2f}" if each else NONE for each in found), *([_points(move)] if both else []),
        ])  # fmt: skip
    header = ("pair", "evaluation", "gain on the slides", *(f"gain {name}" for name in names))
    header += (*(f"MSE %, {name}" for name in names), *(["change of MSE"] if both else []))
    seeds = {each.seeds for effects in by_protocol.values() for each in effects.values()}
    notes = ["Ensemble top-1 in percentage points, PSE minus MSE on the same test images, with 95 % intervals"]
    notes[0] += " over seeds and test images." if min(seeds) > 1 else " over test images only, as there is one seed."
    title = "PSE's gain over MSE, and the change of MSE itself" if both else "PSE's gain over MSE"
    return Table(title, header, "ll" + "r" * (len(header) - 2), rows, notes)


def _published(pse: str, mse: str, evaluation: str) -> str:
    """Format the gain in ensemble top-1 on the slides."""
    published = load_expected("slides").ensembles
    ours, theirs = (published.get((model, evaluation)) for model in (pse, mse))
    return f"{ours['value'] - theirs['value']:+.2f}" if ours and theirs else NONE


def _points(interval: Interval | None) -> str:
    if interval is None:
        return NONE
    return f"{interval.estimate:+.2f} ({interval.low:+.2f} to {interval.high:+.2f})"
