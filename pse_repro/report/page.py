"""The report of a run: a self-contained report.html, and report.md with its figures in files."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from pse_repro.claims import ClaimResult
from pse_repro.compare.effects import switch_effects
from pse_repro.compare.join import Comparison
from pse_repro.config.protocol import Settings, Switches
from pse_repro.report import first_screen, protocols, provenance, tables
from pse_repro.report.finding import Finding, finding
from pse_repro.report.first_screen import SlidesTables
from pse_repro.report.pictures.effects import effects_table
from pse_repro.report.pictures.gallery import Section, gallery
from pse_repro.report.pictures.peers import peers_tables
from pse_repro.report.provenance import CellLinks
from pse_repro.report.tables import Table
from pse_repro.report.tuning import tuning_tables
from pse_repro.study import store
from pse_repro.study.record import Run

FOLDED_ROWS = 40  # a longer comparison is collapsed
FOLDED_TABLES = 4  # more tables of scores are collapsed


@dataclass(frozen=True)
class Page:
    """The contents of a report; the templates refer to the fields by name.

    `status` is the CSS class of the verdict; `failures` and `facts` are pairs of a title and a text. Tables that are
    None are left out of the page.
    """

    study: str
    verdict: str
    status: str
    failures: list[tuple[str, str]]
    slides: SlidesTables
    finding: Finding | None
    sections: list[Section]
    effects: Table | None
    claims: Table | None
    claim_parts: Table | None
    other_claims: Table | None
    differences: Table | None
    peers: list[Table]
    scores: list[Table]
    baselines: Table | None
    comparison: Table
    source: str
    notes: Sequence[str]
    pretraining: Table
    cells: Table
    protocols: list[Table]
    facts: list[tuple[str, str]]
    commands: list[str]
    files: list[CellLinks]
    folded_rows: int = FOLDED_ROWS
    folded_tables: int = FOLDED_TABLES


def write_report(run: Run, comparison: Comparison, claims: Sequence[ClaimResult] = ()) -> Path:
    """Write RUN/report.html, RUN/report.md and RUN/figures/*, each atomically; return the path of the HTML page.

    The report of an unfinished run covers its results so far.
    """
    files = run.run_files
    page = _page(run, comparison, claims)
    for section in page.sections:
        for picture in section.pictures:
            store.write_bytes(files.figures / picture.name, picture.drawing.content)
    store.write_bytes(files.markdown, _template("page.md.jinja").render(vars(page)).encode())
    store.write_bytes(files.page, _template("page.html.jinja").render(vars(page)).encode())
    return files.page


def _page(run: Run, comparison: Comparison, claims: Sequence[ClaimResult]) -> Page:
    effects, headline = switch_effects(run), first_screen.headline_protocols(claims)
    return Page(
        study=run.study.name,
        verdict=first_screen.verdict(run, comparison, claims),
        status="bad" if comparison.exit_status() else "",
        failures=run.failures(),
        slides=first_screen.slides_tables(run, comparison),
        finding=finding(run, effects),
        sections=gallery(run, effects),
        effects=effects_table(effects),
        claims=tables.claims([claim for claim in claims if claim.protocol in headline]),
        claim_parts=tables.claim_parts([claim for claim in claims if claim.protocol in headline]),
        other_claims=tables.claims([claim for claim in claims if claim.protocol not in headline]),
        differences=tables.differences_table(comparison),
        peers=[*tuning_tables(run), *peers_tables(run)],
        scores=tables.score_tables(run, comparison),
        baselines=tables.baseline_table(run),
        comparison=tables.comparison_table(comparison),
        source=comparison.expected.source,
        notes=comparison.expected.notes,
        pretraining=tables.pretraining_table(run),
        cells=tables.cells_table(run),
        protocols=[protocols.protocol_table(run, part) for part in (Switches, Settings)],
        facts=provenance.facts(run),
        commands=provenance.commands(run),
        files=provenance.files(run),
    )


def _template(name: str) -> jinja2.Template:
    """Load a template of this package; its output is escaped for HTML or for Markdown."""
    html = name.endswith(".html.jinja")
    finalize: Callable[..., Any] | None = None if html else _markdown
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pse_repro", "report/templates"),
        autoescape=html,
        finalize=finalize,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)


def _markdown(value: object) -> str:
    """Escape a value for Markdown, and join its lines to one."""
    text = re.sub(r"([\\`*\[\]|])", r"\\\1", str(value)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(text.split())
