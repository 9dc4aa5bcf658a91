"""The first screen: what the sentence counts, and that the slides' tables hold the comparison's numbers."""

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from pse_repro.claims import judge
from pse_repro.expected import CELL
from pse_repro.report.first_screen import FITS_BOTH, MARKS, Entry, SlidesTable, slides_tables, verdict
from pse_repro.report.page import write_report
from pse_repro.study.record import Run
from tests.support.published import SLIDES
from tests.support.stored_run import IMAGES, Page, comparison, report, rewrite_results, store_run, study

pytestmark = pytest.mark.usefixtures("few_draws")
DASH = "\N{EN DASH}"


def sentence(directory: Path) -> str:
    return verdict(Run.open(directory), comparison(directory), judge(Run.open(directory)))


def test_the_verdict_counts_numbers_and_claims(tmp_path: Path) -> None:
    store_run(tmp_path, study())
    compared = comparison(tmp_path)
    rows, whole = compared.rows, compared.whole
    good, bad = (int((rows["verdict"] == name).sum()) for name in ("within", "outside"))
    assert good + bad == len(rows) == 24
    assert whole.verdict == "not reproduced"
    assert sentence(tmp_path) == (
        f"The published table is not reproduced: {good} of the 147 published numbers "
        f"{'is' if good == 1 else 'are'} within tolerance ({bad} outside the tolerance, 123 not in this run); "
        f"{whole.reason}, and none of the 6 claims can be decided with one seed: on STL-10, under as-released, with "
        "1 seed."
    )


def test_the_verdict_says_why_nothing_is_comparable(tmp_path: Path) -> None:
    store_run(tmp_path, study(protocols=("as-described",)), data={"name": "photos", "md5": {}})
    assert sentence(tmp_path).startswith(
        "None of the 147 published numbers is comparable (the images are photos, not STL-10; the protocol is "
        "as-described, not as-released), and "
    )
    assert sentence(tmp_path).endswith(": under as-described, with 1 seed.")


def test_a_reduced_study_of_the_papers_images_names_them_too(tmp_path: Path) -> None:
    store_run(tmp_path, study(scale="reduced"))
    assert "is comparable (the study is a reduced one), and none" in sentence(tmp_path)
    assert sentence(tmp_path).endswith(": on STL-10, under as-released, with 1 seed.")


def give_published_values(directory: Path) -> None:
    """Replace a run's results by the slides' numbers."""
    results = pd.read_csv(directory / "results.csv", dtype=str, keep_default_na=False)
    published = SLIDES.frame[[*CELL, "value"]].astype(str)
    rewrite_results(directory, results.drop(columns="value").merge(published, on=list(CELL)))


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_sentence_begins_with_the_verdict_on_all_numbers_together(tmp_path: Path, seeds: int) -> None:
    store_run(tmp_path, study(), seeds)
    give_published_values(tmp_path)
    whole = comparison(tmp_path).whole
    assert sentence(tmp_path).startswith(
        "The published table is reproduced: 24 of the 147 published numbers are within tolerance (123 not in this "
        f"run); {whole.reason}, and "
    )
    assert f"in this run); 0 of 24 numbers outside, up to {whole.allowed} by chance; if PSE did nothing, " in sentence(
        tmp_path
    )


def test_one_loss_alone_leaves_the_table_undecided(tmp_path: Path) -> None:
    store_run(tmp_path, study(models=study().models[:1]))
    give_published_values(tmp_path)
    assert sentence(tmp_path).startswith(
        "It is undecided whether the published table is reproduced: 12 of the 147 published numbers are within "
    )


def test_a_table_of_which_no_number_is_within_is_not_reproduced(tmp_path: Path) -> None:
    store_run(tmp_path, study(), seeds=3)
    results = pd.read_csv(tmp_path / "results.csv", dtype=str, keep_default_na=False)
    rewrite_results(tmp_path, results.assign(value="99"))
    assert sentence(tmp_path).startswith(
        "The published table is not reproduced: 0 of the 147 published numbers are within tolerance (24 outside the "
        "tolerance, 123 not in this run); 24 of 24 numbers outside, up to "
    )


def test_the_verdict_names_the_claims_under_both_protocols_alone(tmp_path: Path) -> None:
    store_run(tmp_path, study(protocols=("as-released", "as-described", "as-released+7")), seeds=3)
    claims = judge(Run.open(tmp_path))
    text = sentence(tmp_path)
    for protocol in ("as-released", "as-described"):
        told = [claim for claim in claims if claim.protocol == protocol]
        assert {claim.claim.number for claim in told} == {1, 3, 5, 6}
        undecided = [
            f"{claim.claim.number} ({claim.words.removeprefix('undecided: ')})"
            for claim in told
            if claim.verdict.verdict == "undecided"
        ]
        assert all(each.endswith(" parts tested)") for each in undecided)
        assert f"{', '.join(undecided)} undecided" in text
    assert "1 (2 of 8 parts tested)" in text
    assert "2, 4 not tested" in text
    assert "as-released+7" not in text
    assert text.endswith("under as-released and 2 other protocols, with 3 seeds.")


@pytest.mark.parametrize(("seeds", "few"), [(1, "one seed"), (2, "two seeds")])
def test_fewer_than_three_seeds_decide_no_claim(tmp_path: Path, seeds: int, few: str) -> None:
    store_run(tmp_path, study(), seeds)
    assert f", and none of the 6 claims can be decided with {few}: on STL-10" in sentence(tmp_path)


def test_another_table_of_expected_values_is_named(tmp_path: Path) -> None:
    store_run(tmp_path, study(expected="smoke"))
    total = len(comparison(tmp_path).expected.frame)
    assert sentence(tmp_path).startswith(f"None of the {total} expected numbers (smoke) is comparable (the images are")
    tables = slides_tables(Run.open(tmp_path), comparison(tmp_path))  # the slides' all the same
    assert [table.title.split(",")[0] for table in tables.tables] == ["Fine-tuning", "Frozen features"]


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("seeds", [1, 3])
def test_every_cell_of_the_page_is_the_comparisons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds: int) -> None:
    store_run(tmp_path, study(), seeds=seeds)
    page = report(tmp_path)
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    frame = comparison(tmp_path).rows.set_index(["evaluation", "objective", "fold", "metric"])
    found = {}
    for evaluation, rows in zip(("finetune", "frozen"), page.tables[:2], strict=True):
        for model, *cells in rows[1:]:
            for header, cell in zip(rows[0][1:], cells, strict=True):
                found[evaluation, "mse" if model == "CNN-MSE" else "pse", *place(header)] = cell
    assert set(found) == set(frame.index)
    for name, cell in found.items():
        row = frame.loc[name]
        sign, value, heard, against, interval = parts(cell)
        digits = 4 if name[3] == "loss" else 2
        fits_both = row["discriminates"] is not None and not row["discriminates"]
        mark = MARKS[FITS_BOTH if fits_both else row["verdict"]]
        assert (sign, heard) == (mark.sign, mark.words)
        assert (value, against) == (f"{row['measured']:.{digits}f}", f"{row['difference']:+.{digits}f}")
        if seeds == 3:
            assert interval == f"{row['low']:.{digits}f}{DASH}{row['high']:.{digits}f}"
        else:
            assert bool(interval) == (name[3] != "loss")
        assert f"| {', '.join(filter(None, (f'{sign} {value}', against, interval)))} |" in markdown


def parts(cell: str) -> tuple[str, str, str, str, str]:
    """Parse a cell into sign, value, text for screen readers, difference and interval."""
    match = re.fullmatch(r"\s*(\S) ?(\S+)\s+\((.*)\)\s+(\S+)\n(\S*)\s*", cell)
    assert match, cell
    return match[1], match[2], match[3], match[4], match[5]


def place(header: str) -> tuple[str, str]:
    """Return fold and metric of a heading: `test 2 top-1` is fold 2, top1."""
    *fold, metric = header.split()
    return ("ensemble" if fold == ["ensemble"] else fold[1]), metric.replace("-", "")


def test_a_number_that_fits_the_other_loss_as_well_has_a_mark_of_its_own(tmp_path: Path) -> None:
    store_run(tmp_path, study())
    give_published_values(tmp_path)
    tables = slides_tables(Run.open(tmp_path), comparison(tmp_path))
    signs = {(model, column): entry.mark.sign for column, model, entry in entries(tables.tables[0])}
    assert signs["CNN-MSE", "ensemble top-1"] == signs["CNN-PSE-3", "ensemble top-1"] == "✓"
    assert signs["CNN-PSE-3", "test 2 top-1"] == "="  # 49.12, and MSE has 47.26: within 2.0 of it
    assert [mark.sign for mark in tables.legend] == ["✓", "="]
    assert tables.legend[1].words.endswith("does not discriminate")


def entries(table: SlidesTable) -> Iterator[tuple[str, str, Entry]]:
    """Yield column, model and entry of every cell that has one."""
    for model, cells in table.rows:
        yield from ((column, model, cell) for column, cell in zip(table.header, cells, strict=True) if cell)


def test_a_number_that_cannot_be_compared_stands_beside_the_slides_without_a_verdict(tmp_path: Path) -> None:
    store_run(tmp_path, study(scale="reduced"))
    tables = slides_tables(Run.open(tmp_path), comparison(tmp_path))
    entry = tables.tables[0].rows[0][1][0]
    assert entry is not None
    assert entry.mark.words == "not comparable, no verdict"
    assert entry.against == "slides 48.96"
    assert [mark.sign for mark in tables.legend] == [entry.mark.sign]
    assert "the study is a reduced one" in " ".join(tables.notes)
    assert f"over the {IMAGES} test images" in " ".join(tables.notes)


def test_what_is_not_measured_yet_has_the_slides_number_alone(tmp_path: Path) -> None:
    store_run(tmp_path, study())
    results = pd.read_csv(tmp_path / "results.csv", dtype=str, keep_default_na=False)
    rewrite_results(tmp_path, results[results["evaluation"] != "frozen"])
    _, frozen = slides_tables(Run.open(tmp_path), comparison(tmp_path)).tables
    assert str(frozen.rows[0][1][0]) == f"{MARKS['missing'].sign} -, slides 28.15"
    assert "9 not measured yet" not in sentence(tmp_path)
    assert "10 not measured yet" in sentence(tmp_path)


@pytest.mark.usefixtures("no_pictures")
def test_claims_of_turned_protocols_are_folded_away(tmp_path: Path) -> None:
    store_run(tmp_path, study(protocols=("as-released", "as-released+7")), seeds=2)
    write_report(Run.open(tmp_path), comparison(tmp_path), judge(Run.open(tmp_path)))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    first, others = text.split("<h2>Claims under other protocols</h2>")
    [claims] = [table for table in Page(first).tables if table[0][:3] == ["claim", "protocol", "verdict"]]
    assert {row[1] for row in claims[1:]} == {"as-released"}
    assert {row[1] for row in Page(others).table("claim")} == {"as-released+7"}
