"""compare and report."""

import json
import xml.etree.ElementTree as ET
from importlib.resources import files
from pathlib import Path

import jsonschema
import pandas as pd
import pytest

from pse_repro.expected import load_expected
from tests.cli.conftest import Run
from tests.report.stored import store_run, study


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


def test_a_junit_file_has_the_one_failure(run: Run) -> None:
    frame = load_expected("paper").frame.drop(columns=["source", "note"])
    frame.loc[7, "value"] += 3 * 3.0  # three tolerances of a fold
    frame.to_csv("changed.csv", index=False)
    status, out, _ = run("compare", "changed.csv", "--junit", "junit.xml")
    assert status == 1
    assert "146 within, 1 outside" in out
    root = ET.parse("junit.xml").getroot()
    assert len(root.findall("testsuite/testcase")) == 147
    assert len(root.findall("testsuite/testcase/failure")) == 1


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "json", "latex", "html"])
def test_a_run_s_claims_are_told_beside_its_numbers(run: Run, tmp_path: Path, format: str) -> None:
    store_run(tmp_path / "run", study(), seeds=2, data={"name": "photos", "md5": {}})
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
        assert ("inconclusive" in out) == (format != "csv")


def test_one_seed_decides_no_claim(run: Run, tmp_path: Path) -> None:
    store_run(tmp_path / "run", study(), data={"name": "photos", "md5": {}})
    status, out, _ = run("compare", "run")
    assert status == 0
    assert "one seed decides none of them: give --seeds 3 or more" in out
    assert "inconclusive" not in out


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
    assert "with its report inside" in err
