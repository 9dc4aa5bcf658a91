"""Notes on a claim, without a verdict: missing seeds, the best bandwidth, members above their ensemble."""

from collections.abc import Sequence

from pse_repro.claims.definitions import shown
from pse_repro.claims.measure import Measured
from pse_repro.study.predictions import Predictions

INTERIM = "interim"


def descriptions(parts: Sequence[Measured], protocol: str, predictions: Predictions) -> list[str]:
    """Return descriptive notes on the parts of one claim, per seed."""
    equivalent = [part for part in parts if part.part.statement.kind == "equivalence"]
    ensembles = [part for part in parts if part.part.statement.kind == "ensemble"]
    found = _best(equivalent, protocol, predictions)
    found += [_members_above(ensembles, protocol, predictions)] if ensembles else []
    return [*_interim(parts, predictions), *found, *_left_out(parts, predictions)]


def _interim(parts: Sequence[Measured], predictions: Predictions) -> list[str]:
    """Report that seeds which were requested are not complete yet, unless models that failed are the reason."""
    seeds, requested = min(part.difference.seeds for part in parts), predictions.run.requested_seeds
    is_unfinished = seeds < requested and not predictions.run.failures()
    return [f"{INTERIM}: {seeds} of {requested} requested seeds are complete"] if is_unfinished else []


def _left_out(parts: Sequence[Measured], predictions: Predictions) -> list[str]:
    """Report seeds that are missing from some parts: models that failed to train are rarely a random selection."""
    used = [{each.seed for each in part.by_seed} for part in parts]
    counts = {seed: sum(seed not in seeds for seeds in used) for seed in predictions.seeds}
    return [
        f"seed {seed} is incomplete and left out of {count} of {len(parts)} parts"
        for seed, count in counts.items()
        if count
    ]


def _best(parts: list[Measured], protocol: str, predictions: Predictions) -> list[str]:
    """Name the best of the compared models for each evaluation and each seed for which all of them are complete."""
    sentences = []
    for evaluation in dict.fromkeys(part.part.plus[0].evaluation for part in parts):
        own = [part for part in parts if part.part.plus[0].evaluation == evaluation]
        models = dict.fromkeys(term.model for part in own for term in part.part.terms)
        for seed in sorted(set.intersection(*({each.seed for each in part.by_seed} for part in own))):
            right = {m: int(predictions.correct(protocol, m, evaluation, seed).ensemble_N.sum()) for m in models}
            best = [shown(model) for model, count in right.items() if count == max(right.values())]
            sentences.append(f"best of {len(models)}, {evaluation}, seed {seed}: {' and '.join(best)}")
    return sentences


def _members_above(parts: list[Measured], protocol: str, predictions: Predictions) -> str:
    """Count and list the members whose top-1 exceeds that of their ensemble."""
    count, above = 0, []
    for part in parts:
        model, evaluation = part.part.plus[0].model, part.part.plus[0].evaluation
        for seed in (each.seed for each in part.by_seed):
            correct = predictions.correct(protocol, model, evaluation, seed)
            ensemble = correct.ensemble_N.sum()
            count += len(correct.members_KN)
            for fold, right in enumerate(correct.members_KN.sum(axis=1), 1):
                if right > ensemble:
                    above.append(f"{shown(model)}, {evaluation}, fold {fold}, seed {seed}")
    return f"members above their ensemble: {len(above)} of {count}" + (f" ({'; '.join(above)})" if above else "")
