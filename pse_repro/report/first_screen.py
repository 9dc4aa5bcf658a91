"""First screen of the report: the verdict in one sentence, and the slides' two tables with this run's values."""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pse_repro.claims import ClaimResult, claims_in_question, too_few_seeds
from pse_repro.compare.join import Comparison, compare
from pse_repro.compare.render import shown_number
from pse_repro.evaluation.registry import title_of
from pse_repro.expected import load_expected
from pse_repro.report.provenance import copies
from pse_repro.stats import images_interval
from pse_repro.study.cells import key, label
from pse_repro.study.record import Run
from pse_repro.tables import PERCENTAGES
from pse_repro.text import NONE

_DASH = "\N{EN DASH}"
CLAIM_PROTOCOLS = ("as-released", "as-described")  # preferred for the verdict; variants appear only in the tables
_WORDS = {
    "within": "within tolerance",
    "outside": "outside the tolerance",
    "missing": "not measured yet",
    "": "without a tolerance",
}
TOGETHER = {
    "reproduced": "The published table is reproduced",
    "not reproduced": "The published table is not reproduced",
    "undecided": "It is undecided whether the published table is reproduced",
}
_PLACE = ("encoder", "objective", "sigma", "fold", "metric")
_COLUMNS = (
    *(("ensemble", f"top{k}", f"ensemble top-{k}") for k in (1, 2, 4)),
    *((str(fold), "top1", f"test {fold} top-1") for fold in range(1, 6)),
    *((str(fold), "loss", f"test {fold} loss") for fold in range(1, 6)),
)


@dataclass(frozen=True)
class Mark:
    """A verdict as a symbol (`sign`), as text for screen readers (`words`) and as a CSS class (`style`)."""

    sign: str
    words: str
    style: str


FITS_BOTH = "does not discriminate"
_GOOD, _BAD, _UNSURE, _NONE = "good", "bad", "mark", "weak"
MARKS = {
    "within": Mark("✓", "within tolerance, and the other loss's number is not", _GOOD),
    FITS_BOTH: Mark("=", "within tolerance, and so is the other loss's number: does not discriminate", _UNSURE),
    "outside": Mark("✗", _WORDS["outside"], _BAD),
    "not comparable": Mark("○", "not comparable, no verdict", _NONE),
    "missing": Mark("…", _WORDS["missing"], _NONE),
    "": Mark("○", "no tolerance, no verdict", _NONE),
}


@dataclass(frozen=True)
class Entry:
    """A cell of the slides' tables: this run's `value`, and `against`, the difference to the slides or their value."""

    mark: Mark
    value: str
    against: str
    interval: str

    def __str__(self) -> str:
        """Return the entry in one line, for the Markdown page."""
        return ", ".join(text for text in (f"{self.mark.sign} {self.value}", self.against, self.interval) if text)


@dataclass(frozen=True)
class SlidesTable:
    """One of the slides' two tables: a row per model, with an entry per column (None: no such value)."""

    title: str
    header: list[str]
    rows: list[tuple[str, list[Entry | None]]]


@dataclass(frozen=True)
class SlidesTables:
    """Both tables, with a legend of the marks that occur and with notes."""

    tables: list[SlidesTable]
    legend: list[Mark]
    notes: list[str]


def verdict(run: Run, comparison: Comparison, claims: Sequence[ClaimResult]) -> str:
    """Summarise the run in one sentence: expected numbers, claims, data, protocols and number of seeds."""
    names = [protocol.name for protocol in run.protocols]
    under = " and ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} other protocols"
    data = _data_name(run.images_name)
    data_named = any(data in reason for reason in not_comparable(run, comparison))
    where = "" if data_named else f"on {data}, "
    seeds = f"{run.seeds} seed{'s' * (run.seeds > 1)}"
    return f"{_numbers(run, comparison)}, and {_claims(claims)}: {where}under {under}, with {seeds}."


def not_comparable(run: Run, comparison: Comparison) -> list[str]:
    """Return the reasons why the run's numbers cannot be compared with the expected ones; empty if they can."""
    wanted, study = comparison.expected.conditions, run.study
    names, data = [protocol.name for protocol in run.protocols], run.images_name
    found = []
    if data != (expected := wanted.get("data", data)):
        found.append(f"the images are {_data_name(data)}, not {_data_name(expected)}")
    if study.scale != wanted.get("scale", study.scale):
        found.append("the study is a reduced one")
    if wanted.get("protocol", names[0]) not in names:
        found.append(f"the protocol is {' and '.join(names)}, not {wanted['protocol']}")
    others = {"study": study.name, "device": run.device, "precision": run.precision}
    return found + [f"the {name} is {value}" for name, value in others.items() if value != wanted.get(name, value)]


def _data_name(name: str) -> str:
    return "STL-10" if name == "stl10" else name


def _numbers(run: Run, comparison: Comparison) -> str:
    """Count the numbers within tolerance, under their own protocol, after the verdict on all of them together."""
    name, published = comparison.expected.name, len(comparison.expected.frame)
    of = f"of the {published} " + ("published numbers" if name == "slides" else f"expected numbers ({name})")
    rows = _of_their_protocol(run, comparison)
    if not len(rows):
        return f"None {of} is in this run"
    if reasons := not_comparable(run, comparison):
        return f"None {of} is comparable ({'; '.join(reasons)})"
    counts, whole = Counter(rows["verdict"]), comparison.whole
    rest = [f"{counts[each]} {_WORDS.get(each, each)}" for each in MARKS if counts[each] and each != "within"]
    rest += [f"{published - len(rows)} not in this run"] if published > len(rows) else []
    verb = "is" if counts["within"] == 1 else "are"
    found = f"{counts['within']} {of} {verb} within tolerance" + (f" ({', '.join(rest)})" if rest else "")
    return f"{TOGETHER[whole.verdict]}: {found}; {whole.reason}" if whole.verdict else found


def _of_their_protocol(run: Run, comparison: Comparison) -> pd.DataFrame:
    """Return the rows of the expected values' own protocol, or of the run's first protocol if it lacks that one."""
    names = [protocol.name for protocol in run.protocols]
    wanted = comparison.expected.conditions.get("protocol", names[0])
    return comparison.rows[comparison.rows["protocol"] == (wanted if wanted in names else names[0])]


def headline_protocols(claims: Sequence[ClaimResult]) -> list[str]:
    """Return the protocols whose claims appear on the first screen: CLAIM_PROTOCOLS, else the run's first protocol."""
    protocols = dict.fromkeys(claim.protocol for claim in claims)
    return [name for name in protocols if name in CLAIM_PROTOCOLS] or list(protocols)[:1]


def _claims(claims: Sequence[ClaimResult]) -> str:
    """List the numbers of the claims by verdict, for each headline protocol."""
    numbers = [claim.number for claim in claims_in_question(claims)]
    protocols = headline_protocols(claims)
    if not protocols:
        return f"none of the {len(numbers)} claims can be tested"
    if few := too_few_seeds(claims):
        return f"none of the {len(numbers)} claims can be decided with {few}"
    names_by_text: dict[tuple[str, str], list[str]] = {}
    for protocol in protocols:
        found = {claim.claim.number: claim.words for claim in claims if claim.protocol == protocol}
        names_by_text.setdefault(_by_verdict(numbers, found), []).append(protocol)
    parts = [f"{holding} {' and '.join(names)}{rest}" for (holding, rest), names in names_by_text.items()]
    return f"of the {len(numbers)} claims {', '.join(parts)}"


def _by_verdict(numbers: Sequence[int], found: Mapping[int, str]) -> tuple[str, str]:
    """Format the claims that hold, and the others: `5 holds` and ` (1 (2 of 8 parts tested), 3 undecided)`."""
    words = {"holds": "hold", "fails": "failed", "undecided": "undecided", "not tested": "not tested"}
    by_verdict: dict[str, list[str]] = {each: [] for each in words}
    for number in numbers:
        verdict, _, parts = found.get(number, "not tested").partition(": ")
        by_verdict[verdict].append(f"{number} ({parts})" if parts else str(number))
    holding = by_verdict.pop("holds")
    rest = "; ".join(f"{', '.join(some)} {words[each]}" for each, some in by_verdict.items() if some)
    verb = "hold" if len(holding) > 1 else "holds"
    return f"{', '.join(holding) or 'none'} {verb}", f" ({rest})" if rest else ""


def slides_tables(run: Run, comparison: Comparison) -> SlidesTables:
    """Return the slides' two tables, limited to the run's study, under the slides' own protocol if the run has it."""
    if comparison.expected.name != "slides":
        rules = {protocol.name: protocol.switches.ensemble_printing for protocol in run.protocols}
        comparison = compare(run.results, load_expected("slides"), scope=run.scope, print_rules=rules)
    rows, images = _of_their_protocol(run, comparison), _test_images(run)
    tables = [_slides_table(run, part, str(name), images) for name, part in rows.groupby("evaluation")]
    shown = {_mark_name(row) for row in rows.to_dict("records")}
    legend = [mark for name, mark in MARKS.items() if name in shown]
    notes = _notes(rows, images, not_comparable(run, comparison))
    if found := copies(run):
        left_out = "; they were left out of pre-training" if run.study.unlabeled == "without-test" else ""
        notes.append(f"Copies of test images among the unlabelled ones: {found}{left_out}.")
    return SlidesTables(tables, legend, notes)


def _slides_table(run: Run, part: pd.DataFrame, evaluation: str, images: int) -> SlidesTable:
    found = {tuple(row[name] for name in _PLACE): row for row in part.to_dict("records")}
    columns = [column for column in _COLUMNS if any(place[3:] == column[:2] for place in found)]
    rows = []
    for model in run.models:
        cells = [found.get((*key(model).values(), *column[:2])) for column in columns]
        if any(cells):
            rows.append((label(model), [_entry(cell, images) if cell else None for cell in cells]))
    title = f"{title_of(evaluation)}, {part['protocol'].iloc[0]}: this run against the slides"
    return SlidesTable(title, [name for *_, name in columns], rows)


def _mark_name(row: Mapping[Hashable, Any]) -> str:
    """Return the key of a row's mark: its verdict or, if it is within and the other loss's number, too, FITS_BOTH."""
    return FITS_BOTH if row["discriminates"] is False else str(row["verdict"])


def _entry(row: Mapping[Hashable, Any], images: int) -> Entry:
    metric, mark = row["metric"], MARKS[_mark_name(row)]
    if mark.style == _NONE:
        against = f"slides {shown_number(row['expected'], metric)}"
    else:
        against = shown_number(row["difference"], metric, "+")
    if not row["seeds"]:
        return Entry(mark, NONE, against, "")
    low, high = row["low"], row["high"]
    if row["seeds"] == 1 and metric in PERCENTAGES and images and math.isfinite(row["measured"]):
        low, high = images_interval(row["measured"], images)
    interval = "" if math.isnan(low) else f"{shown_number(low, metric)}{_DASH}{shown_number(high, metric)}"
    return Entry(mark, shown_number(row["measured"], metric), against, interval)


def _notes(part: pd.DataFrame, images: int, reasons: Sequence[str]) -> list[str]:
    """Explain the contents of a cell, and what its interval covers."""
    shown = set(part["seeds"])
    judged = [MARKS[verdict].style != _NONE for verdict in part["verdict"]]
    beside = "its difference from the slides' value" if any(judged) else "the slides' value"
    beside += " (without a verdict: the slides' value)" if any(judged) and not all(judged) else ""
    notes = [f"Each cell shows this run's value, {beside}, and, if available, a 95 % interval of this run's value."]
    if reasons:
        notes.append(f"Not comparable, hence without a verdict: {'; '.join(reasons)}.")
    if max_seeds := max((seeds for seeds in shown if seeds > 1), default=0):
        notes.append(f"Values are means over {max_seeds} seeds; intervals are Student's t-intervals over the seeds.")
    if 1 in shown and images:
        notes.append(
            f"One seed: intervals are bootstrap intervals over the {images:,} test images. "
            "They do not cover the variation between trainings; losses have no interval."
        )
    return notes


def _test_images(run: Run) -> int:
    """Return the number of test images that the run's models are evaluated on; 0 if no cell has recorded it."""
    notes = (run.provenance(cell) for cell in run.cells)
    return next((note.data.images["test"] for note in notes if note), 0)
