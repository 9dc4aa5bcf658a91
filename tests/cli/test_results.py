"""The commands compare, explain and report."""

import html
import json
import re
import xml.etree.ElementTree as ET
from importlib.resources import files
from pathlib import Path

import jsonschema
import pandas as pd
import pytest

from pse_repro.expected import load_expected
from tests.cli.conftest import Run
from tests.support.stored_run import store_run, study


def test_the_slides_own_numbers_are_all_within(run: Run, tmp_path: Path) -> None:
    load_expected("paper").frame.drop(columns=["source", "note"]).to_csv("slides.csv", index=False)
    status, out, _ = run("compare", "slides.csv", "--format", "json")
    assert status == 0
    assert json.loads(out)["summary"]["within"] == 147
    frame = pd.read_csv("slides.csv")
    frame.loc[frame.index[0], "value"] += 5
    frame.drop(index=frame.index[1]).to_csv("changed.csv", index=False)
    status, out, _ = run("compare", "changed.csv", "--format", "json")
    assert status == 1
    summary = json.loads(out)["summary"]
    assert (summary["within"], summary["outside"], summary["missing"]) == (145, 1, 1)
    assert run("compare", "slides.csv", "--strict")[0] == 0


def test_a_junit_file_has_the_failure_of_one_number_and_of_all_together(run: Run) -> None:
    frame = load_expected("paper").frame.drop(columns=["source", "note"])
    frame.loc[7, "value"] += 3 * 2.0  # three tolerances of a fold
    frame.to_csv("changed.csv", index=False)
    status, out, _ = run("compare", "changed.csv", "--junit", "junit.xml")
    assert status == 1
    assert ", 1 outside, 0 missing" in out
    assert out.splitlines()[-1].startswith("all numbers together: not reproduced (1 of 147 numbers outside, ")
    root = ET.parse("junit.xml").getroot()
    assert len(root.findall("testsuite/testcase")) == 1 + 147 + 10
    failures = root.findall("testsuite/testcase/failure")
    assert [failure.get("type") for failure in failures] == ["not reproduced", "outside"]


def test_one_number_just_outside_is_a_failure_only_when_strict(run: Run) -> None:
    frame = load_expected("paper").frame.drop(columns=["source", "note"])
    frame.loc[7, "value"] += 1.1 * 2.0  # a tolerance of a fold, and a tenth
    frame.to_csv("changed.csv", index=False)
    for option, status in (((), 0), (("--strict",), 1)):
        assert run("compare", "changed.csv", "--junit", "junit.xml", *option)[0] == status
        assert len(ET.parse("junit.xml").getroot().findall("testsuite/testcase/failure")) == status


HEADER = "encoder,objective,sigma,evaluation,fold,metric,value\n"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            "cnn,mse,,finetune,ensemble,Top-1,12.34\n",
            "metric is 'Top-1'; expected top1, top2, top4, loss (did you mean ",
        ),
        (
            "CNN,MSE,,fine-tuning,Ensemble,TOP1,12.34\n",
            "encoder is 'CNN'; expected cnn, resnet (did you mean cnn?); also unknown: objective 'MSE', evaluation",
        ),
        ("cnn,pse,7,finetune,ensemble,top1,12.34\n", "none of its rows matches a number in slides"),
        ("", "table.csv has no rows below its header"),
        ("cnn,mse,,finetune,0,top1,45.37\ncnn,mse,,finetune,1,top1,47.28\n", "line 2: fold is 0; folds count from 1"),
    ],
)
def test_a_table_of_which_nothing_can_be_used_is_one_line_and_status_2(run: Run, rows: str, said: str) -> None:
    Path("table.csv").write_text(HEADER + rows)
    status, out, err = run("compare", "table.csv")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_a_junit_file_is_written_of_such_a_table_and_is_not_green(run: Run) -> None:
    Path("table.csv").write_text(HEADER + "cnn,mse,,finetune,ensemble,Top-1,12.34\n")
    assert run("compare", "table.csv", "--junit", "junit.xml")[0] == 2
    assert len(ET.parse("junit.xml").getroot().findall("testsuite/testcase/error")) == 1


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "json", "latex", "html"])
def test_rows_of_words_that_are_not_known_are_counted(run: Run, format: str) -> None:
    rows = [f"cnn,mse,,finetune,{fold},{metric},45.37\n" for fold in (1, 2) for metric in ("top1", "acc")]
    Path("table.csv").write_text(HEADER + "".join(rows))
    status, out, err = run("compare", "table.csv", "--format", format)
    assert status == 0
    assert ("warning: table.csv, rows ignored: 2; metric is 'acc'" in err) == (format == "csv")
    assert run("compare", "table.csv", "--strict")[0] == 1
    if format == "json":
        document = json.loads(out)
        schema = json.loads((files("pse_repro") / "schemas" / "comparison.schema.json").read_text(encoding="utf-8"))
        jsonschema.validate(document, schema)
        assert document["summary"]["ignored"] == 2
        (unknown,) = document["unknown"]
        assert (unknown["word"], unknown["meant"], unknown["rows"]) == ("acc", "top1", 2)
    elif format != "csv":
        text = html.unescape(out)
        assert "ignored, 2 rows: metric is 'acc'; expected top1, top2, top4, loss (did you mean top1?)" in text
        assert "; 2 rows of the table ignored" in text


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "json", "latex", "html"])
def test_a_run_s_claims_are_told_beside_its_numbers(run: Run, tmp_path: Path, format: str) -> None:
    store_run(tmp_path / "run", study(), seeds=3, data={"name": "photos", "md5": {}})
    status, out, err = run("compare", "run", "--format", format, "--junit", "junit.xml")
    assert status == 0, err
    claims = ET.parse("junit.xml").getroot().findall("testsuite[@name='claims, as-released']/testcase")
    assert claims
    if format == "json":
        document = json.loads(out)
        schema = json.loads((files("pse_repro") / "schemas" / "comparison.schema.json").read_text(encoding="utf-8"))
        jsonschema.validate(document, schema)
        told = [f"{claim['number']} {claim['title']}" for claim in document["claims"]]
        assert told == [case.get("name") for case in claims]
    else:
        assert ("undecided" in out and "2 of 8" in out) == (format != "csv")


@pytest.mark.parametrize("format", ["table", "markdown"])
@pytest.mark.parametrize(("seeds", "said"), [(1, "one seed"), (2, "two seeds")])
def test_fewer_than_three_seeds_decide_no_claim(run: Run, tmp_path: Path, seeds: int, said: str, format: str) -> None:
    store_run(tmp_path / "run", study(), seeds=seeds, data={"name": "photos", "md5": {}})
    status, out, _ = run("compare", "run", "--format", format)
    assert status == 0
    last = f"claims: 4 could be tested, but {said} cannot decide any; `pse-repro plan` says how many can"
    assert out.splitlines()[-1] == last
    assert "undecided" not in out


def test_explain_tells_the_switches_and_what_they_did(run: Run, tmp_path: Path) -> None:
    status, out, _ = run("explain")
    assert status == 0
    assert "7. fine-tuning" in out
    store_run(tmp_path / "run", study(), data={"name": "photos", "md5": {}})
    status, out, err = run("explain", "run", "--format", "json")
    assert status == 0, err
    assert {effect["protocol"] for effect in json.loads(out)["effects"]} == {"as-released"}


def test_an_archive_is_as_good_as_its_run(run: Run, tmp_path: Path) -> None:
    store_run(tmp_path / "run", study(), data={"name": "photos", "md5": {"test_X.bin": "0"}})
    assert run("export", "run", "--out", "run.zip")[0] == 0
    assert run("compare", "run.zip")[:2] == run("compare", "run")[:2]
    assert run("explain", "run.zip")[:2] == run("explain", "run")[:2]
    for first, second in (("run", "run.zip"), ("run.zip", "run")):
        status, out, err = run("compare", first, "--against", second)
        assert status == 0, err
        assert f"first {first}, second {second}, the same test images" in out
        assert ", 0 within, 0 outside, 0 only in the first" in out
    status, _, err = run("report", "run.zip")
    assert status == 2
    assert "contains its report" in err


def test_details_list_every_part_with_what_the_run_could_have_found(run: Run, tmp_path: Path) -> None:
    store_run(tmp_path / "run", study(), seeds=3)
    _, short, _ = run("compare", "run")
    _, long, _ = run("compare", "run", "--details")
    assert "seed 2: " not in short
    assert "detectable" not in short
    assert re.search(r"CNN-PSE-3 - CNN-MSE, frozen .*\n +seed 0: .*\n +seed 1: .*\n +seed 2: ", long)
    assert "detectable" in long
