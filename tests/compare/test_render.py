"""Rendering of a comparison, for people and for programs."""

import csv
import io
import json
import math
from importlib.resources import files

import jsonschema
import pytest

from pse_repro.compare.join import COLUMNS, compare
from pse_repro.compare.render import render
from pse_repro.errors import UsageError
from tests.support.published import SLIDES, published, shifted


def test_the_table_fits_and_says_what_matters() -> None:
    results = shifted(published().drop(columns="protocol"), 0, -3)
    text = render(compare(results, SLIDES))
    assert max(map(len, text.splitlines()[:151])) <= 100
    for part in ("CNN-MSE", "-3.00", "47.28"):
        assert part in text
    assert "assumed, as not stated in the results: protocol as-released, seed 0, data stl10, scale full" in text
    assert text.splitlines()[-1] == "slides: 147 expected values, 146 within, 1 outside, 0 missing, 0 not comparable"


def test_markdown_is_a_table() -> None:
    lines = render(compare(published(data="a|b"), SLIDES), "markdown").splitlines()
    assert lines[0].startswith("| model")
    assert lines[1].startswith("|:--")
    assert sum(line.startswith("|") for line in lines) == 149


def test_csv_is_the_rows() -> None:
    rows = list(csv.DictReader(io.StringIO(render(compare(published(), SLIDES), "csv"))))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 147


def test_json_is_strict_and_whole() -> None:
    results = shifted(published("released_logs").drop(columns="protocol"), 1, math.inf)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    document = json.loads(render(compare(results, SLIDES), "json"), parse_constant=refuse)
    jsonschema.validate(document, _schema())
    assert document["claims"] == []
    assert document["expected"]["author"] == "Ali Golmakani"
    assert len(document["rows"]) == 147
    assert {row["verdict"] for row in document["rows"]} == {"within", "outside", "missing"}
    assert document["assumed"]["protocol"] == "as-released"
    assert document["summary"]["extra"] == len(document["extra"]) == 15


def test_latex_and_html_hold_every_row_and_escape_text() -> None:
    comparison = compare(published().assign(protocol="a_b & <c>"), SLIDES)
    latex, html = (render(comparison, format) for format in ("latex", "html"))
    assert latex.count(r"\\") == 148
    assert r"\begin{tabular}" in latex
    behind = latex.partition(r"\end{tabular}")[2].strip().splitlines()
    assert behind
    assert all(line.startswith("%") for line in behind)
    assert html.count("<tr>") == 148
    assert "<c>" not in html
    assert "protocol is a_b &amp; &lt;c&gt;" in html


def _schema() -> dict[str, object]:
    return dict(json.loads((files("pse_repro") / "schemas" / "comparison.schema.json").read_text(encoding="utf-8")))


def test_unknown_formats_are_refused() -> None:
    with pytest.raises(UsageError, match=r"'pdf'.*table, markdown, csv, json"):
        render(compare(published(), SLIDES), "pdf")
