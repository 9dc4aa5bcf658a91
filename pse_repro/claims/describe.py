"""What a run shows beside a claim, as sentences without a verdict: the best bandwidth, members above their ensemble."""

from collections.abc import Sequence

from pse_repro.claims.definitions import shown
from pse_repro.claims.measure import Measured
from pse_repro.study.predictions import Predictions


def descriptions(parts: Sequence[Measured], protocol: str, predictions: Predictions) -> list[str]:
    """What the parts of one claim invite to say, seed by seed."""
    equivalent = [part for part in parts if part.part.statement.kind == "equivalence"]
    ensembles = [part for part in parts if part.part.statement.kind == "ensemble"]
    found = _best(equivalent, protocol, predictions)
    found += [_members_above(ensembles, protocol, predictions)] if ensembles else []
    return found + _left_out(parts, predictions)


def _left_out(parts: Sequence[Measured], predictions: Predictions) -> list[str]:
    """Seeds that do not count everywhere: models that could not be trained are seldom a random choice."""
    used = [{of.seed for of in part.by_seed} for part in parts]
    counts = {seed: sum(seed not in seeds for seeds in used) for seed in predictions.seeds}
    return [
        f"seed {seed} is not complete, and left out of {count} of {len(parts)} parts"
        for seed, count in counts.items()
        if count
    ]


def _best(parts: list[Measured], protocol: str, predictions: Predictions) -> list[str]:
    """Which of the models compared was best, where all of them are complete."""
    sentences = []
    for evaluation in dict.fromkeys(part.part.plus[0].evaluation for part in parts):
        own = [part for part in parts if part.part.plus[0].evaluation == evaluation]
        models = dict.fromkeys(term.model for part in own for term in (*part.part.plus, *part.part.minus))
        for seed in sorted(set.intersection(*({of.seed for of in part.by_seed} for part in own))):
            right = {m: int(predictions.correct(protocol, m, evaluation, seed).ensemble_N.sum()) for m in models}
            best = [shown(model) for model, count in right.items() if count == max(right.values())]
            sentences.append(f"best of {len(models)}, {evaluation}, seed {seed}: {' and '.join(best)}")
    return sentences


def _members_above(parts: list[Measured], protocol: str, predictions: Predictions) -> str:
    count, above = 0, []
    for part in parts:
        model, evaluation = part.part.plus[0].model, part.part.plus[0].evaluation
        for of in part.by_seed:
            correct = predictions.correct(protocol, model, evaluation, of.seed)
            together = correct.ensemble_N.sum()
            count += len(correct.members_KN)
            for fold, right in enumerate(correct.members_KN.sum(axis=1), 1):
                if right > together:
                    above.append(f"{shown(model)}, {evaluation}, fold {fold}, seed {of.seed}")
    return f"members above their ensemble: {len(above)} of {count}" + (f" ({'; '.join(above)})" if above else "")
