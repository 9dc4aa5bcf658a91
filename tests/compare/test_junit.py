"""JUnit files as a CI service reads them."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pse_repro.compare.join import Comparison, Unknown, compare
from pse_repro.compare.junit import write_junit
from pse_repro.expected import CELL
from tests.support.judged import CNN, judged
from tests.support.published import SLIDES, published


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
    assert (len(cases), len(failures), len(skipped)) == (1 + 147 + 10, 0, 0)
    assert (cases[0].attrib["classname"], cases[0].attrib["name"]) == ("table", "all numbers together")
    assert cases[-1].attrib["classname"] == "as-released.differences"
    assert cases[-1].attrib["name"] == "ResNet-PSE-3 - ResNet-MSE, frozen"


def moved(row: int, tolerances: float) -> Comparison:
    """Compare the slides' own numbers with the slides, one of them moved by so many tolerances."""
    tolerance = SLIDES.tolerance(SLIDES.frame.loc[row].to_dict())
    assert tolerance is not None
    comparison = slides_of(row, tolerances * tolerance.at(1))
    assert comparison.rows.index[comparison.rows["verdict"] == "outside"].tolist() == [row]
    return comparison


@pytest.mark.parametrize("row", [0, 5, 146])
def test_one_number_moved_by_three_tolerances_fails_and_so_do_all_together(tmp_path: Path, row: int) -> None:
    comparison = moved(row, 3)
    assert comparison.exit_status() == 1
    write_junit(comparison, tmp_path / "junit.xml")
    cases, [together, failure], skipped = read(tmp_path / "junit.xml")
    assert {case.attrib["message"][:8] for case in skipped} <= {"outside;"}  # differences of that number
    assert cases[0].find("failure") is together
    assert together.attrib == {"type": "not reproduced", "message": f"not reproduced: {comparison.whole.reason}"}
    assert failure.attrib["type"] == "outside"
    assert "expected" in failure.attrib["message"]


@pytest.mark.parametrize("row", [0, 5, 146])
def test_one_number_just_outside_is_skipped_and_fails_only_when_strict(tmp_path: Path, row: int) -> None:
    comparison = moved(row, 1.1)
    assert comparison.exit_status() == 0
    write_junit(comparison, tmp_path / "junit.xml")
    cases, failures, [skipped, *_] = read(tmp_path / "junit.xml")
    assert (len(cases), failures) == (158, [])
    assert skipped.attrib["message"].startswith("outside; measured ")
    write_junit(comparison, tmp_path / "strict.xml", strict=True)
    cases, [failure, *_], skipped = read(tmp_path / "strict.xml")
    assert (failure.attrib["type"], skipped) == ("outside", [])
    assert list(cases[0]) == []  # all numbers together are reproduced all the same


def test_numbers_that_are_undecided_together_are_skipped(tmp_path: Path) -> None:
    frame = SLIDES.frame[SLIDES.frame["objective"] == "mse"]
    comparison = compare(frame, SLIDES, scope=frame[["encoder", "objective"]])
    write_junit(comparison, tmp_path / "junit.xml", strict=True)
    cases, failures, [skipped] = read(tmp_path / "junit.xml")
    assert (len(cases), failures) == (1 + 42, [])
    assert cases[0].find("skipped") is skipped
    assert skipped.attrib["message"] == f"undecided: {comparison.whole.reason}"


@pytest.mark.parametrize(("strict", "tag"), [(False, "skipped"), (True, "failure")])
def test_a_difference_that_is_not_the_published_one_fails_only_when_strict(
    tmp_path: Path, strict: bool, tag: str
) -> None:
    frame = published()
    is_mse = (frame["objective"] == "mse") & (frame["encoder"] == "cnn") & (frame["evaluation"] == "frozen")
    write_junit(compare(frame.assign(value=frame["value"] + 6 * is_mse), SLIDES), tmp_path / "junit.xml", strict=strict)
    cases = {case.attrib["name"]: case for case in read(tmp_path / "junit.xml")[0]}
    found = cases["CNN-PSE-3 - CNN-MSE, frozen"].find(tag)
    assert found is not None
    assert found.attrib["message"] == "outside; measured -0.10 (1 seed); published +5.90 points"
    assert cases["ResNet-PSE-3 - ResNet-MSE, frozen"].find(tag) is None


def test_what_cannot_be_judged_is_skipped_and_fails_only_when_strict(tmp_path: Path) -> None:
    comparison = slides_of(data="photos")
    write_junit(comparison, tmp_path / "junit.xml")
    cases, failures, skipped = read(tmp_path / "junit.xml")
    assert (len(cases), failures, len(skipped)) == (147, [], 147)  # and no verdict on all of them together
    write_junit(comparison, tmp_path / "strict.xml", strict=True)
    assert len(read(tmp_path / "strict.xml")[1]) == 147


@pytest.mark.parametrize(
    ("points", "strict", "tag", "words"),
    [
        (5, True, "skipped", "undecided: 2 of 8 parts tested"),
        (-5, False, "skipped", "fails: CNN-PSE-3"),
        (-5, True, "failure", "fails: CNN-PSE-3"),
    ],
)
def test_a_claim_s_message_begins_with_its_verdict_and_what_was_tested(
    tmp_path: Path, points: float, strict: bool, tag: str, words: str
) -> None:
    claim = judged(tmp_path / "run", points=points)[1]
    write_junit(slides_of(), tmp_path / "junit.xml", [claim], strict)
    cases, failures, skipped = read(tmp_path / "junit.xml")
    assert cases[-1].attrib == {"classname": "as-released.claims", "name": f"1 {claim.claim.title}"}
    [found] = [*failures, *skipped]
    assert cases[-1].find(tag) is found
    assert found.attrib["message"].startswith(words)


def test_a_claim_that_holds_passes(tmp_path: Path) -> None:
    claim = judged(tmp_path / "run", CNN, points=5)[1]
    write_junit(slides_of(), tmp_path / "junit.xml", [claim], strict=True)
    cases, failures, skipped = read(tmp_path / "junit.xml")
    assert (cases[-1].attrib["name"], failures, skipped) == (f"1 {claim.claim.title}", [], [])


def test_text_is_escaped(tmp_path: Path) -> None:
    table = pd.DataFrame([SLIDES.frame.iloc[0].to_dict() | {"protocol": '<script>"&', "value": 1.0}])
    write_junit(compare(table, SLIDES), tmp_path / "junit.xml")
    assert any("<script>" in case.attrib["classname"] for case in read(tmp_path / "junit.xml")[0])


def test_a_word_that_is_not_known_is_an_error(tmp_path: Path) -> None:
    unknown = Unknown("metric", "Top-1", ("top1",), "top1", rows=2)
    write_junit(replace(slides_of(), unknown=(unknown,), ignored=2), tmp_path / "junit.xml")
    cases, failures, skipped = read(tmp_path / "junit.xml")
    assert (len(cases), failures, skipped) == (1 + 147 + 10 + 1, [], [])
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
