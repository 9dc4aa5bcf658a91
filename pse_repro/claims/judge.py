"""Verdicts on claims: each claim under each protocol of a run, from the stored predictions.

A claim holds if all its parts were tested and hold. It is one hypothesis: its p-value is the largest of the parts'
p-values, which needs no adjustment for the number of parts (Berger 1982); Holm's method adjusts over the claims that
can hold under the same protocol, those with all parts tested. The claims on PSE's relatives are a family of their own,
judged where one of these was trained: they change no verdict on the study's claims.
A claim fails if one of its parts fails after Holm's adjustment over the parts, since one of many may fall below the
claim by chance. Otherwise it is undecided, and always with fewer than three seeds or with parts that were not tested
and none that fails. "Holds" establishes the direction of a difference; only the estimate is required to reach the
minimum. Looks at a run after several numbers of seeds share alpha equally (Bonferroni), so that a planned early stop
(`is_decided`) keeps the error rate.
Sources: pse_repro/stats/verdicts.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pse_repro.claims.definitions import Claim, Group, Part, Statement, load_claims
from pse_repro.claims.describe import descriptions
from pse_repro.claims.measure import Measured, complete_seeds, in_run, measure
from pse_repro.stats import MIN_SEEDS, ClaimVerdict, Interval, equivalence_claim, holm, superiority_claim
from pse_repro.study.predictions import Predictions
from pse_repro.study.record import Run

ALPHA = 0.05
GROUPS: tuple[Group, ...] = ("study", "peers", "relatives")
LOOKS = (5, 8, 12, 20)  # numbers of seeds after which a run that may stop early is judged
NOT_IN_RUN, NOT_COMPLETE = "not in this run", "not complete for any seed"


@dataclass(frozen=True)
class PartResult:
    """A part with its own verdict: "holds" at alpha for this part only, "fails" after Holm over the claim's parts.

    `detectable` is the smallest true effect with which the part would hold in 80 % of such runs, at the claims'
    strictest level and in its unit; None for an equivalence, or with too few seeds for a verdict.
    """

    measured: Measured
    verdict: ClaimVerdict
    against_adjusted_p: float
    detectable: float | None


@dataclass(frozen=True)
class ClaimResult:
    """The verdict on a claim under one protocol.

    `conditions` names the images and the scale if they are not the study's own, such as "on imagenet96, reduced".
    `p_value` is the largest p-value of the tested parts; `adjusted_p` is adjusted by Holm's method over `family`
    claims, and None if the claim cannot hold because parts are missing.
    `missing` lists the untested parts, each with the reason; `notes` are descriptions without a verdict.
    """

    claim: Claim
    protocol: str
    conditions: str
    verdict: ClaimVerdict
    p_value: float
    adjusted_p: float | None
    family: int
    parts: tuple[PartResult, ...]
    missing: tuple[tuple[Part, str], ...]
    notes: tuple[str, ...]

    @property
    def seeds(self) -> int:
        """Minimum number of seeds over the parts."""
        return min(part.measured.difference.seeds for part in self.parts)

    @property
    def words(self) -> str:
        """The verdict and, if not all parts were tested, how many were."""
        return self.verdict.verdict + (f": {self.share} parts tested" if self.missing else "")

    @property
    def share(self) -> str:
        """How many of the claim's parts were tested: `2 of 8`."""
        return f"{len(self.parts)} of {len(self.parts) + len(self.missing)}"

    @property
    def weakest(self) -> PartResult:
        """Part that decides the verdict."""
        return _weakest(self.parts)


@dataclass(frozen=True)
class _Tested:
    claim: Claim
    measured: list[Measured]
    missing: list[tuple[Part, str]]


def judge(run: Run, *, alpha: float = ALPHA) -> list[ClaimResult]:
    """Judge, for each protocol, every claim that has at least one part with a complete seed.

    A seed is complete for a part if all the cells that the part compares are complete. `alpha` is the error rate over
    all planned looks at the run.

    Raises:
        NotFitError: a stored file is damaged, or labels differ between cells.
    """
    predictions, alpha = Predictions(run), alpha / len(run.looks)
    return [
        result
        for protocol in run.protocols
        for claims in _families(run)
        for result in _judge_family(claims, protocol.name, predictions, alpha)
    ]


def planned_looks(seeds: int) -> tuple[int, ...]:
    """Return the numbers of seeds after which a run of at most `seeds` is judged, to stop once it is decided."""
    return (*(look for look in LOOKS if look < seeds), seeds)


def is_decided(results: Sequence[ClaimResult]) -> bool:
    """Return whether a run may stop early: every claim that it can decide holds or fails.

    It cannot decide a claim with parts that it does not test, or an equivalence, which takes far more seeds.
    """
    decidable = [
        result
        for result in results
        if not result.missing and all(part.measured.part.statement.margin is None for part in result.parts)
    ]
    return bool(decidable) and all(result.verdict.verdict != "undecided" for result in decidable)


def claims_in_question(results: Sequence[ClaimResult]) -> list[Claim]:
    """Return the claims that a table of these results covers: the study's, and those of other groups with a result."""
    found = {result.claim.group for result in results}
    return [claim for group in GROUPS if group == "study" or group in found for claim in load_claims(group)]


def _families(run: Run) -> list[list[Claim]]:
    """Return the claims that are adjusted together: of the study and its peers; on PSE's relatives, if it has any."""
    published, own = [*load_claims(), *load_claims("peers")], [*load_claims("relatives")]
    of_published, of_own = ({model for claim in claims for model in claim.models()} for claims in (published, own))
    has_relatives = any(model.name in of_own - of_published for model in run.study.models)
    return [published, own] if has_relatives else [published]


def _judge_family(claims: list[Claim], protocol: str, predictions: Predictions, alpha: float) -> list[ClaimResult]:
    tested = [found for claim in claims if (found := _test(claim, protocol, predictions, alpha)).measured]
    if not tested:
        return []
    p_values = [max(part.p_value for part in found.measured) for found in tested]
    complete = [place for place, found in enumerate(tested) if not found.missing]
    adjusted = dict(zip(complete, holm([p_values[place] for place in complete]), strict=True)) if complete else {}
    results = []
    for place, (found, p_value) in enumerate(zip(tested, p_values, strict=True)):
        parts = _judge_parts(found.measured, alpha, max(1, len(complete)))
        adjusted_p = float(adjusted[place]) if place in adjusted else None
        results.append(
            ClaimResult(
                claim=found.claim,
                protocol=protocol,
                conditions=_conditions(predictions.run),
                verdict=_verdict(found, parts, adjusted_p, alpha),
                p_value=p_value,
                adjusted_p=adjusted_p,
                family=len(complete),
                parts=parts,
                missing=tuple(found.missing),
                notes=tuple(descriptions(found.measured, protocol, predictions)),
            )
        )
    return results


def _test(claim: Claim, protocol: str, predictions: Predictions, alpha: float) -> _Tested:
    measured, missing = [], []
    # the study's models resemble each other; others vary by too different amounts to be pooled
    models = [] if claim.group != "study" else list(dict.fromkeys(m for each in load_claims() for m in each.models()))
    for part in claim.parts():
        if not in_run(part, predictions):
            missing.append((part, NOT_IN_RUN))
        elif seeds := complete_seeds(part, protocol, predictions):
            measured.append(measure(part, protocol, predictions, seeds, alpha, models))
        else:
            missing.append((part, NOT_COMPLETE))
    return _Tested(claim, measured, missing)


def _judge_parts(measured: list[Measured], alpha: float, family: int) -> tuple[PartResult, ...]:
    against = holm([part.p_against for part in measured]).tolist()
    return tuple(
        PartResult(
            part,
            _part_verdict(part, part.p_value, adjusted, len(measured), alpha),
            adjusted,
            _detectable(part, alpha / family),
        )
        for part, adjusted in zip(measured, against, strict=True)
    )


def _detectable(part: Measured, alpha: float) -> float | None:
    if part.part.statement.margin is not None or part.difference.seeds < MIN_SEEDS:
        return None
    return part.difference.detectable(alpha, part.part.statement.minimum)


def _verdict(found: _Tested, parts: tuple[PartResult, ...], adjusted_p: float | None, alpha: float) -> ClaimVerdict:
    """Return the verdict on the weakest part at the claim's p-value: if that part holds, all parts hold."""
    weakest = _weakest(parts)
    p_value = weakest.measured.p_value if adjusted_p is None else adjusted_p
    verdict = _part_verdict(weakest.measured, p_value, weakest.against_adjusted_p, len(parts), alpha)
    name = f"{weakest.measured.part.name}: " if len(parts) > 1 else ""
    reason = name + verdict.reason
    if found.missing and verdict.verdict != "fails":
        part, why = found.missing[0]
        tested = f"{len(parts)} of {len(parts) + len(found.missing)} parts tested"
        so_far = "those hold" if all(part.verdict.verdict == "holds" for part in parts) else reason
        return ClaimVerdict("undecided", f"{tested}; {so_far}; {part.name}: {why}")
    return ClaimVerdict(verdict.verdict, reason)


def _part_verdict(measured: Measured, p_value: float, against: float, parts: int, alpha: float) -> ClaimVerdict:
    """Return the verdict on one part.

    `p_value` is the part's own p-value or its claim's adjusted one; `against` is adjusted over the claim's `parts`.
    """
    statement, difference = measured.part.statement, measured.difference
    if statement.margin is not None:
        verdict = equivalence_claim([difference], p_value, margin=statement.margin, alpha=alpha)
    else:
        verdict = _beyond_threshold(statement, difference, p_value, alpha)
    if verdict.verdict == "fails" and against > alpha:
        reason = f"against the claim by itself, but not as one of {parts} parts: p {against:.2g}"
        return ClaimVerdict("undecided", reason)
    return verdict


def _beyond_threshold(statement: Statement, difference: Interval, p_value: float, alpha: float) -> ClaimVerdict:
    """Test superiority on the difference relative to the statement's threshold."""
    start = statement.threshold
    shifted = replace(
        difference, estimate=difference.estimate - start, low=difference.low - start, high=difference.high - start
    )
    verdict = superiority_claim(shifted, p_value, minimum=statement.minimum, direction=statement.direction, alpha=alpha)
    return verdict if start == 0 else replace(verdict, reason=f"against {start:g}: {verdict.reason}")


def _weakest(parts: Sequence[PartResult]) -> PartResult:
    """Return the part with the strongest evidence against the claim; ties: least significant, then smallest effect."""

    def strength(part: PartResult) -> tuple[float, float, float]:
        measured, statement = part.measured, part.measured.part.statement
        effect = measured.difference.estimate - statement.threshold
        effect = {"greater": effect, "less": -effect, "either": abs(effect)}[statement.direction]
        return measured.p_against, -measured.p_value, effect if statement.margin is None else -abs(effect)

    return min(parts, key=strength)


def _conditions(run: Run) -> str:
    data, scale = run.images_name, run.study.scale
    return "" if (data, scale) == ("stl10", "full") else f"on {data}, {scale}"
