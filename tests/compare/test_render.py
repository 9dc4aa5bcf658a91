"""Rendering of a comparison, for people and for programs."""

import csv
import io
import json
import math
from importlib.resources import files

import jsonschema
import pandas as pd
import pytest

from pse_repro.compare.join import COLUMNS, FITS_RIVAL, compare
from pse_repro.compare.render import DIFFERENCES_HEADER, render
from pse_repro.errors import UsageError
from pse_repro.expected import load_expected
from tests.support.published import SLIDES, published, shifted


def test_the_table_fits() -> None:
    text = render(compare(published().drop(columns="protocol"), SLIDES))
    assert max(map(len, text.splitlines()[:151])) <= 100


def test_the_table_says_what_matters() -> None:
    comparison = compare(shifted(published().drop(columns="protocol"), 0, -5), SLIDES)
    text = render(comparison)
    for part in ("CNN-MSE", "-5.00", "47.28"):
        assert part in text
    assert "assumed, as not stated in the results: protocol as-released, seed 0, data stl10, scale full" in text
    assert text.splitlines()[-2:] == [
        "slides: 147 expected values, 146 within (26 of them do not discriminate between the losses), 1 outside, "
        "0 missing, 0 not comparable",
        f"all numbers together: not reproduced ({comparison.whole.reason})",
    ]


def table_rows(text: str) -> list[dict[str, str]]:
    """Return the rows of all Markdown tables by their header."""
    rows: list[dict[str, str]] = []
    header: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells
        elif not line.startswith("|:--"):
            rows.append(dict(zip(header, cells, strict=True)))
    return rows


def test_a_number_that_fits_the_other_loss_as_well_is_marked() -> None:
    results = shifted(published(), 13, -1.1)  # CNN-PSE-3, finetune, ensemble, top1: between both losses
    text = render(compare(results, SLIDES), "markdown")
    rows = [row for row in table_rows(text) if "measured" in row]
    [pse] = [row for row in rows if row["measured"] == "50.16"]
    assert (pse["model"], pse["verdict"]) == ("CNN-PSE-3", "within [1]")
    assert rows[0]["verdict"] == "within"
    assert f"[1] {FITS_RIVAL}" in text


def test_golden_values_are_not_compared_with_another_loss() -> None:
    golden = load_expected("smoke-objectives")
    text = render(compare(golden.frame.assign(**golden.conditions), golden))
    assert "does not discriminate" not in text
    assert "PSE minus MSE" not in text
    assert text.splitlines()[-1].startswith("all numbers together: reproduced (0 of ")


@pytest.mark.parametrize(("seeds", "verdict", "interval"), [(1, "within", "-"), (3, "reproduced", "5.90 to 5.90")])
def test_the_differences_between_the_losses_are_a_table_of_their_own(seeds: int, verdict: str, interval: str) -> None:
    results = pd.concat([published().assign(seed=seed) for seed in range(seeds)])
    rows = table_rows(render(compare(results, SLIDES), "markdown"))
    found = [row for row in rows if tuple(row) == DIFFERENCES_HEADER]
    assert len(found) == 10
    [frozen] = [row for row in found if row["published"] == "+5.90"]
    assert frozen["PSE minus MSE, points"] == "CNN-PSE-3 - CNN-MSE"
    assert (frozen["evaluation"], frozen["measured"], frozen["seeds"]) == ("frozen", "+5.90", str(seeds))
    assert (frozen["verdict"], frozen["95 % interval"]) == (verdict, interval)


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
    assert document["whole"]["verdict"] == "not reproduced"
    assert document["whole"]["furthest"] is None
    assert len(document["differences"]) == len(compare(results, SLIDES).differences) > 0
    assert {row["discriminates"] for row in document["rows"]} == {True, False, None}


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
