"""Claims as text: a compact table and details for people, strict JSON for programs."""

import textwrap
from collections.abc import Sequence
from typing import Any

from pse_repro.claims.definitions import PERCENT_METRICS, Statement
from pse_repro.claims.describe import INTERIM
from pse_repro.claims.judge import ClaimResult, PartResult, claims_in_question
from pse_repro.claims.measure import Measured, SeedEffect
from pse_repro.errors import UsageError
from pse_repro.stats import MIN_SEEDS, Interval
from pse_repro.text import NONE, table, to_json, wrapped

FORMATS = ("table", "markdown", "json")
WIDTH = 100
NAME_WIDTH = 32  # characters of a part's name; longer names are wrapped
HEADER = ("claim", "protocol", "verdict", "tested", "weakest effect, interval", "seeds", "p")
ALIGN = "lllrrrr"  # one letter per column, l or r
PARTS_HEADER = ("claim", "protocol", "part", "effect, interval", "published", "detectable", "p", "verdict")
PARTS_ALIGN = "lllrrrrl"
SIGNS = {"holds": "+", "fails": "-", "undecided": "?"}


def render_claims(results: Sequence[ClaimResult], format: str = "table", details: bool = False) -> str:
    """Render claims as table, markdown or json; with `details`, table and markdown also list every part and seed.

    JSON follows schemas/claims.schema.json.

    Raises:
        UsageError: unknown format.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}; expected one of {', '.join(FORMATS)}")
    if format == "json":
        return to_json(as_json(results))
    markdown = format == "markdown"
    protocols = list(dict.fromkeys(result.protocol for result in results))
    blocks = [_block([each for each in results if each.protocol == name], markdown) for name in protocols]
    blocks += [_notes(results, markdown)]
    if details:
        blocks += [f"```text\n{_detail(each)}\n```" if markdown else _detail(each) for each in results]
    return "\n\n".join(blocks)


def claims_table(results: Sequence[ClaimResult]) -> list[list[str]]:
    """Return a row of text for each claim and protocol (columns: HEADER); the effect is that of the weakest part."""
    rows = []
    for result in results:
        weakest = result.weakest.measured
        rows.append([
            f"{result.claim.number} {result.claim.short}", result.protocol,
            _verdict(result.verdict.verdict), result.share,
            _effect(weakest.difference, weakest.part.statement), str(result.seeds), _deciding_p(result),
        ])  # fmt: skip
    return rows


def parts_table(results: Sequence[ClaimResult]) -> list[list[str]]:
    """Return a row of text for each tested part of each claim and protocol (columns: PARTS_HEADER)."""
    return [
        [f"{result.claim.number}", result.protocol, part.measured.part.name, *_columns(part)]
        for result in results
        for part in result.parts
    ]


def too_few_seeds(results: Sequence[ClaimResult]) -> str:
    """Return "one seed" or "two seeds" if no claim has enough seeds for a verdict, else an empty string."""
    seeds = max((result.seeds for result in results), default=MIN_SEEDS)
    return "" if seeds >= MIN_SEEDS else ("one seed", "two seeds")[seeds - 1]


def table_notes(results: Sequence[ClaimResult]) -> list[str]:
    """Return the footnotes of the table: units, intervals, p-values and the claims that were not tested."""
    if not results:
        return ["No claim can be tested: the run has none of the claims' models, or no seed of them is complete."]
    percent = 100 * results[0].parts[0].measured.difference.confidence
    notes = [
        "Effects are in percentage points of ensemble top-1 unless a metric is named. Intervals: "
        f"{percent:.3g} %, over seeds and images; with one seed, over images only. p: null hypothesis of no effect, "
        "after Holm over a protocol's claims (for fails: null hypothesis that the claim is true, after Holm over its "
        "parts). A claim holds only if all its parts were tested."
    ]
    interim = {note: None for result in results for note in result.notes if note.startswith(INTERIM)}
    notes += [f"{note[0].upper()}{note[1:]}: finish the run before you rely on its verdicts." for note in interim]
    for protocol in dict.fromkeys(result.protocol for result in results):
        tested = {result.claim.id for result in results if result.protocol == protocol}
        absent = [f"{claim.number} {claim.short}" for claim in claims_in_question(results) if claim.id not in tested]
        if absent:
            notes.append(f"Not tested, {protocol} (not in this run, or incomplete): {', '.join(absent)}.")
    return notes


def as_json(results: Sequence[ClaimResult]) -> list[dict[str, Any]]:
    """Return the entries of schemas/claims.schema.json, with None for what does not apply; encode them by to_json."""
    return [
        {
            "id": result.claim.id,
            "number": result.claim.number,
            "title": result.claim.title,
            "source": result.claim.source,
            "remark": result.claim.remark,
            "protocol": result.protocol,
            "conditions": result.conditions,
            "verdict": result.verdict.verdict,
            "reason": result.verdict.reason,
            "parts_tested": len(result.parts),
            "parts_total": len(result.parts) + len(result.missing),
            "p_value": result.p_value,
            "adjusted_p": result.adjusted_p,
            "family": result.family,
            "seeds": result.seeds,
            "parts": [_part(part) for part in result.parts],
            "missing": [{"name": part.name, "reason": reason} for part, reason in result.missing],
            "notes": list(result.notes),
        }
        for result in results
    ]


def _part(part: PartResult) -> dict[str, Any]:
    measured, statement = part.measured, part.measured.part.statement
    difference, superiority = measured.difference, statement.margin is None
    return {
        "name": measured.part.name,
        "kind": statement.kind,
        "metric": statement.metric,
        "unit": statement.unit,
        "direction": statement.direction if superiority else None,
        "threshold": statement.threshold if superiority else None,
        "minimum": statement.minimum if superiority else None,
        "margin": statement.margin,
        "why": statement.why,
        "published": measured.part.published,
        "estimate": difference.estimate,
        "low": difference.low,
        "high": difference.high,
        "confidence": difference.confidence,
        "p_value": measured.p_value,
        "against_adjusted_p": part.against_adjusted_p,
        "detectable": part.detectable,
        "verdict": part.verdict.verdict,
        "reason": part.verdict.reason,
        "seeds": [
            {
                "seed": each.seed,
                "difference": each.difference,
                "only_a": None if each.mcnemar is None else each.mcnemar.only_a,
                "only_b": None if each.mcnemar is None else each.mcnemar.only_b,
                "mcnemar_p": None if each.mcnemar is None else each.mcnemar.p_value,
                "fold_sd": each.fold_sd,
            }
            for each in measured.by_seed
        ],
    }


def _block(results: Sequence[ClaimResult], markdown: bool) -> str:
    """Format the table of one protocol under a line that names the protocol and, if unusual, the conditions."""
    heading = ", ".join(text for text in (results[0].protocol, results[0].conditions) if text)
    kept = [place for place, name in enumerate(HEADER) if name != "protocol"]
    rows = [[row[place] for place in kept] for row in claims_table(results)]
    header, align = [HEADER[place] for place in kept], "".join(ALIGN[place] for place in kept)
    if markdown:
        return f"{heading}:\n\n{table(header, align, rows, 'pipe')}"
    return f"{heading}\n{table(header, align, rows)}"


def _notes(results: Sequence[ClaimResult], markdown: bool) -> str:
    notes = table_notes(results)
    return "\n\n".join(notes) if markdown else "\n".join(line for note in notes for line in wrapped(note, WIDTH))


def _detail(result: ClaimResult) -> str:
    """Format one claim: title, reason of the verdict, source, notes, and its parts with the effect in each seed."""
    claim, verdict = result.claim, result.verdict
    texts = [claim.title, f"Why: {verdict.reason}.", f"Source: {claim.source}.", claim.remark, *result.notes]
    lines = [f"{claim.number}, {result.protocol}: {_verdict(result.words)}"]
    lines += [line for text in texts for line in wrapped(text, WIDTH, "  ")]
    names = [textwrap.wrap(part.measured.part.name, NAME_WIDTH, break_on_hyphens=False) for part in result.parts]
    rows = [[name[0], *_columns(part)] for name, part in zip(names, result.parts, strict=True)]
    *top, _ = grid = table(PARTS_HEADER[2:], PARTS_ALIGN[2:], rows).splitlines()
    lines += ["  " + line for line in top[: -len(rows)]]
    for row, name, part in zip(top[-len(rows) :], names, result.parts, strict=True):
        lines += ["  " + row, *("    " + rest for rest in name[1:]), *_seeds(part.measured)]
    lines.append("  " + grid[-1])
    for reason in dict.fromkeys(reason for _, reason in result.missing):
        untested = "; ".join(part.name for part, why in result.missing if why == reason)
        lines += wrapped(f"{reason}: {untested}", WIDTH, "  ")
    return "\n".join(lines)


def _columns(part: PartResult) -> list[str]:
    """Format a part's effect with its interval, the published and the detectable effect, p and verdict."""
    measured, statement = part.measured, part.measured.part.statement
    published = NONE if measured.part.published is None else _number(measured.part.published, statement)
    effect = _effect(measured.difference, statement, unit=False)
    detectable = NONE if part.detectable is None else _number(part.detectable, statement).removeprefix("+")
    return [effect, published, detectable, _p(measured.p_value), _verdict(part.verdict.verdict)]


def _seeds(measured: Measured) -> list[str]:
    """Format a line for each seed."""
    return [f"    seed {each.seed}: {_seed_effect(each, measured.part.statement)}" for each in measured.by_seed]


def _seed_effect(effect: SeedEffect, statement: Statement) -> str:
    texts = [_number(effect.difference, statement)]
    if effect.mcnemar is not None:
        only_a, only_b = effect.mcnemar.only_a, effect.mcnemar.only_b
        texts.append(f"only one correct {only_a} : {only_b} (p {_p(effect.mcnemar.p_value)})")
    return ", ".join(texts + ([] if effect.fold_sd is None else [f"folds' sd {effect.fold_sd:.2f}"]))


def _verdict(words: str) -> str:
    return f"{SIGNS[words.partition(':')[0]]} {words}"


def _deciding_p(result: ClaimResult) -> str:
    p_value = result.weakest.against_adjusted_p if result.verdict.verdict == "fails" else result.adjusted_p
    return NONE if p_value is None else _p(p_value)


def _effect(difference: Interval, statement: Statement, unit: bool = True) -> str:
    label = f" {statement.label}" if unit and statement.label else ""
    low, high = (_number(value, statement) for value in (difference.low, difference.high))
    return f"{_number(difference.estimate, statement)} [{low}, {high}]{label}"


def _number(value: float, statement: Statement) -> str:
    return f"{value:+.2f}" if statement.metric in PERCENT_METRICS else f"{value:+.2g}"


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.2g}"
