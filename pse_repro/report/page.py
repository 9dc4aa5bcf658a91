"""The report of a run: report.html, self-contained, and report.md with its figures beside it."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jinja2

from pse_repro.claims import ClaimResult
from pse_repro.compare.effects import switch_effects
from pse_repro.compare.join import Comparison
from pse_repro.config.protocol import Settings, Switches
from pse_repro.files import write_bytes
from pse_repro.report import first_screen, protocols, provenance, tables
from pse_repro.report.finding import finding
from pse_repro.report.pictures.effects import effects_table
from pse_repro.report.pictures.gallery import gallery
from pse_repro.report.pictures.peers import peers_tables
from pse_repro.study.record import Run

FOLDED_ROWS = 40  # a longer comparison is folded away
FOLDED_TABLES = 4  # more tables of scores are folded away


def write_report(run: Run, comparison: Comparison, claims: Sequence[ClaimResult] = ()) -> Path:
    """Write RUN/report.html, RUN/report.md and RUN/figures/*, each whole or not at all; returns the page's path.

    A run that is not finished gives a report of what there is.
    """
    files = run.run_files
    page = _contents(run, comparison, claims)
    for section in page["sections"]:
        for picture in section.pictures:
            write_bytes(files.figures / picture.name, picture.drawing.content)
    write_bytes(files.markdown, _template("page.md.jinja").render(page).encode())
    write_bytes(files.page, _template("page.html.jinja").render(page).encode())
    return files.page


def _contents(run: Run, comparison: Comparison, claims: Sequence[ClaimResult]) -> dict[str, Any]:
    """Everything the templates name."""
    effects, told = switch_effects(run), first_screen.told_protocols(claims)
    return {
        "study": run.study.name,
        "verdict": first_screen.verdict(run, comparison, claims),
        "status": "bad" if comparison.exit_status() else "",
        "failures": run.failures(),
        "slides": first_screen.slides_tables(run, comparison),
        "finding": finding(run, effects),
        "sections": gallery(run, effects),
        "effects": effects_table(effects),
        "claims": tables.claims([claim for claim in claims if claim.protocol in told]),
        "other_claims": tables.claims([claim for claim in claims if claim.protocol not in told]),
        "peers": peers_tables(run),
        "scores": tables.score_tables(run, comparison),
        "folded_tables": FOLDED_TABLES,
        "baselines": tables.baseline_table(run),
        "comparison": tables.comparison_table(comparison),
        "folded_rows": FOLDED_ROWS,
        "source": comparison.expected.source,
        "notes": comparison.expected.notes,
        "pretraining": tables.pretraining_table(run),
        "cells": tables.cells_table(run),
        "protocols": [protocols.protocol_table(run, part) for part in (Switches, Settings)],
        "facts": provenance.facts(run),
        "commands": provenance.commands(run),
        "files": provenance.files(run),
    }


def _template(name: str) -> jinja2.Template:
    """A template beside this file; whatever it prints is escaped, for HTML or for Markdown."""
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
    """Text that is only text in Markdown, in one line."""
    text = re.sub(r"([\\`*\[\]|])", r"\\\1", str(value)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return " ".join(text.split())
