"""JUnit files as a CI service reads them."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pse_repro.compare.join import Comparison, Unknown, compare
from pse_repro.compare.junit import write_junit
from pse_repro.expected import CELL, load_expected

SLIDES = load_expected("slides")


def slides_of(row: int | None = None, by: float = 0.0, **columns: str) -> Comparison:
    """Compare the slides' own numbers with the slides, one of them shifted."""
    results = SLIDES.frame[["protocol", *CELL, "value"]].assign(**columns)
    if row is not None:
        results.loc[row, "value"] += by
    return compare(results, SLIDES)


def read(path: Path) -> tuple[list[ET.Element], list[ET.Element], list[ET.Element]]:
    """Return cases, failures and skipped cases, and check the counts of every suite."""
    root = ET.parse(path).getroot()
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.attrib["tests"]) == len(cases)
        assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
        assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
        assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped"))
    cases = root.findall("testsuite/testcase")
    assert len({(case.attrib["classname"], case.attrib["name"]) for case in cases}) == len(cases)
    return cases, root.findall("testsuite/testcase/failure"), root.findall("testsuite/testcase/skipped")


def test_the_slides_own_numbers_all_pass(tmp_path: Path) -> None:
    write_junit(slides_of(), tmp_path / "junit.xml")
    cases, failures, skipped = read(tmp_path / "junit.xml")
    assert (len(cases), len(failures), len(skipped)) == (147, 0, 0)


@pytest.mark.parametrize("row", [0, 5, 146])
def test_one_number_moved_by_three_tolerances_is_the_one_failure(tmp_path: Path, row: int) -> None:
    cell = SLIDES.frame.loc[row]
    tolerance = SLIDES.tolerance(cell["evaluation"], cell["metric"], cell["fold"])
    assert tolerance is not None
    comparison = slides_of(row, 3 * tolerance.value)
    assert comparison.exit_status() == 1
    assert comparison.rows.index[comparison.rows["verdict"] == "outside"].tolist() == [row]
    write_junit(comparison, tmp_path / "junit.xml")
    _, [failure], skipped = read(tmp_path / "junit.xml")
    assert not skipped
    assert failure.attrib["type"] == "outside"
    assert "expected" in failure.attrib["message"]


def test_what_cannot_be_judged_is_skipped_and_fails_only_when_strict(tmp_path: Path) -> None:
    comparison = slides_of(data="photos")
    write_junit(comparison, tmp_path / "junit.xml")
    assert len(read(tmp_path / "junit.xml")[2]) == 147
    write_junit(comparison, tmp_path / "strict.xml", strict=True)
    assert len(read(tmp_path / "strict.xml")[1]) == 147


def test_text_is_escaped(tmp_path: Path) -> None:
    table = pd.DataFrame([SLIDES.frame.iloc[0].to_dict() | {"protocol": '<script>"&', "value": 1.0}])
    write_junit(compare(table, SLIDES), tmp_path / "junit.xml")
    assert any("<script>" in case.attrib["classname"] for case in read(tmp_path / "junit.xml")[0])


def test_a_word_that_is_not_known_is_an_error(tmp_path: Path) -> None:
    unknown = Unknown("metric", "Top-1", ("top1",), "top1", rows=2)
    write_junit(replace(slides_of(), unknown=(unknown,), ignored=2), tmp_path / "junit.xml")
    cases, failures, skipped = read(tmp_path / "junit.xml")
    assert (len(cases), failures, skipped) == (148, [], [])
    (error,) = cases[-1]
    assert error.tag == "error"
    assert cases[-1].attrib["name"] == "metric is 'Top-1'; expected top1 (did you mean top1?)"
    assert error.attrib["message"] == "rows ignored: 2"


@pytest.mark.parametrize(
    "character", ["\x00", "\x1b", "\x0b", "\ufffe", "\uffff", "\ud800", "\x85", "\U0001f600", "\t", "\n"]
)
def test_any_character_makes_a_file_that_is_xml(tmp_path: Path, character: str) -> None:
    table = pd.DataFrame([SLIDES.frame.iloc[0].to_dict() | {"protocol": f"a{character}b", "data": f"c{character}d"}])
    unknown = Unknown("metric", character, (), "")
    write_junit(replace(compare(table, SLIDES), unknown=(unknown,)), tmp_path / "junit.xml")
    cases, _, skipped = read(tmp_path / "junit.xml")
    kept = character if character.isprintable() or character in "\x85\t\n" else ascii(character)[1:-1]
    assert cases[0].attrib["classname"] == f"a{kept}b.finetune"
    assert f"data is c{kept}d" in skipped[0].attrib["message"]
