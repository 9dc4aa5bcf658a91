"""Do the claims hold in a run: each claim under each of its protocols, from the stored predictions.

A claim of several parts holds when all its parts do, and is inconclusive while one of them is not tested; its p-value
is the largest of theirs, which needs no adjustment for their number (Berger 1982). Holm adjusts over the claims that
have a p-value under one protocol. A claim fails when one of its parts does, after Holm over the parts, since one of
many may lie below the claim by chance. Else, and always with one seed, it is inconclusive. What "holds" shows of a
difference is its direction; that it reaches the minimum is said of the estimate. Sources: pse_repro/stats/verdicts.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pse_repro.claims.definitions import Claim, Part, Statement, load_claims
from pse_repro.claims.describe import descriptions
from pse_repro.claims.measure import Measured, complete_seeds, in_run, measure
from pse_repro.stats import ClaimVerdict, Interval, equivalence_claim, holm, superiority_claim
from pse_repro.study.predictions import Predictions
from pse_repro.study.record import Run

ALPHA = 0.05
NOT_IN_RUN, NOT_COMPLETE = "not in this run", "not complete for any seed"


@dataclass(frozen=True)
class PartResult:
    """A part with its own verdict: "holds" at alpha for this part alone, "fails" after Holm over the claim's parts."""

    measured: Measured
    verdict: ClaimVerdict
    against_adjusted_p: float


@dataclass(frozen=True)
class ClaimResult:
    """A claim under one protocol.

    `conditions` says on what it was tested where that is not the study's own: "on imagenet96, reduced". `p_value` is
    the largest of the parts', `adjusted_p` after Holm over `family` claims. `missing` are the parts that were not
    tested, and why; `notes` are descriptions without a verdict.
    """

    claim: Claim
    protocol: str
    conditions: str
    verdict: ClaimVerdict
    p_value: float
    adjusted_p: float
    family: int
    parts: tuple[PartResult, ...]
    missing: tuple[tuple[Part, str], ...]
    notes: tuple[str, ...]

    @property
    def seeds(self) -> int:
        """The fewest of any part."""
        return min(part.measured.difference.seeds for part in self.parts)

    @property
    def weakest(self) -> PartResult:
        """The part that the verdict hangs on."""
        return _weakest(self.parts)


@dataclass(frozen=True)
class _Tested:
    claim: Claim
    measured: list[Measured]
    missing: list[tuple[Part, str]]


def judge(run: Run, *, alpha: float = ALPHA) -> list[ClaimResult]:
    """Every claim of which the run has at least one part with a complete seed, protocol by protocol.

    A seed counts for a part when all the cells that the part compares are complete.

    Raises:
        NotFitError: a stored file is damaged, or labels differ between cells.
    """
    predictions = Predictions(run)
    return [result for protocol in run.protocols for result in _judge_protocol(protocol.name, predictions, alpha)]


def claims_in_question(results: Sequence[ClaimResult]) -> list[Claim]:
    """What a table of these results answers for: the study's claims and, where one of them was tested, its peers'."""
    peers = any(result.claim.group == "peers" for result in results)
    return [*load_claims(), *(load_claims("peers") if peers else ())]


def _judge_protocol(protocol: str, predictions: Predictions, alpha: float) -> list[ClaimResult]:
    claims = [*load_claims(), *load_claims("peers")]
    tested = [found for claim in claims if (found := _test(claim, protocol, predictions, alpha)).measured]
    if not tested:
        return []
    p_values = [max(part.p_value for part in found.measured) for found in tested]
    results = []
    for found, p_value, adjusted_p in zip(tested, p_values, holm(p_values).tolist(), strict=True):
        parts = _judge_parts(found.measured, alpha)
        results.append(
            ClaimResult(
                claim=found.claim,
                protocol=protocol,
                conditions=_conditions(predictions.run),
                verdict=_verdict(found, parts, adjusted_p, alpha),
                p_value=p_value,
                adjusted_p=adjusted_p,
                family=len(tested),
                parts=parts,
                missing=tuple(found.missing),
                notes=tuple(descriptions(found.measured, protocol, predictions)),
            )
        )
    return results


def _test(claim: Claim, protocol: str, predictions: Predictions, alpha: float) -> _Tested:
    measured, missing = [], []
    for part in claim.parts():
        if not in_run(part, predictions):
            missing.append((part, NOT_IN_RUN))
        elif seeds := complete_seeds(part, protocol, predictions):
            measured.append(measure(part, protocol, predictions, seeds, alpha))
        else:
            missing.append((part, NOT_COMPLETE))
    return _Tested(claim, measured, missing)


def _judge_parts(measured: list[Measured], alpha: float) -> tuple[PartResult, ...]:
    against = holm([part.p_against for part in measured]).tolist()
    return tuple(
        PartResult(part, _part_verdict(part, part.p_value, adjusted, len(measured), alpha), adjusted)
        for part, adjusted in zip(measured, against, strict=True)
    )


def _verdict(found: _Tested, parts: tuple[PartResult, ...], adjusted_p: float, alpha: float) -> ClaimVerdict:
    """That of the claim's weakest part, at the claim's p-value: where this part holds, all do."""
    weakest = _weakest(parts)
    verdict = _part_verdict(weakest.measured, adjusted_p, weakest.against_adjusted_p, len(parts), alpha)
    if verdict.verdict == "holds" and found.missing:
        part, why = found.missing[0]
        tested = f"holds in {len(parts)} of {len(parts) + len(found.missing)} parts, the others are not tested"
        return ClaimVerdict("inconclusive", f"{tested}; {part.name}: {why}")
    name = f"{weakest.measured.part.name}: " if len(parts) > 1 else ""
    return ClaimVerdict(verdict.verdict, name + verdict.reason)


def _part_verdict(measured: Measured, p_value: float, against: float, parts: int, alpha: float) -> ClaimVerdict:
    """`p_value` is the part's own or the adjusted one of its claim, `against` adjusted over the claim's `parts`."""
    statement, difference = measured.part.statement, measured.difference
    if statement.margin is not None:
        verdict = equivalence_claim([difference], p_value, margin=statement.margin, alpha=alpha)
    else:
        verdict = _beyond_threshold(statement, difference, p_value, alpha)
    if verdict.verdict == "fails" and against > alpha:
        reason = f"against the claim alone, but not as one of {parts} parts: adjusted p {against:.2g}"
        return ClaimVerdict("inconclusive", reason)
    return verdict


def _beyond_threshold(statement: Statement, difference: Interval, p_value: float, alpha: float) -> ClaimVerdict:
    """A superiority claim for what is left of the difference above (or below) the threshold."""
    start = statement.threshold
    rest = replace(
        difference, estimate=difference.estimate - start, low=difference.low - start, high=difference.high - start
    )
    verdict = superiority_claim(rest, p_value, minimum=statement.minimum, direction=statement.direction, alpha=alpha)
    return verdict if start == 0 else replace(verdict, reason=f"against {start:g}: {verdict.reason}")


def _weakest(parts: Sequence[PartResult]) -> PartResult:
    """The part that speaks most against the claim; then, of those of the claimed size, the least significant one."""

    def strength(part: PartResult) -> tuple[float, float, float]:
        measured, statement = part.measured, part.measured.part.statement
        effect = (measured.difference.estimate - statement.threshold) * (1 if statement.direction == "greater" else -1)
        return measured.p_against, -measured.p_value, effect if statement.margin is None else -abs(effect)

    return min(parts, key=strength)


def _conditions(run: Run) -> str:
    data, scale = run.data["name"], run.study.scale
    return "" if (data, scale) == ("stl10", "full") else f"on {data}, {scale}"
