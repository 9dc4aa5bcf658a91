"""`pse-repro bench` from the command line."""

import json
from pathlib import Path

from tests.cli.conftest import Run
from tests.support.tiny import write_images


def test_bench_measures_saves_and_shows_what_it_saved(run: Run, tmp_path: Path) -> None:
    data = write_images(tmp_path / "images")
    quick = ("bench", "--quick", "--device", "cpu", "--data", data)
    status, out, err = run(*quick, "--rows", "heads", "--precision", "fp32", "--format", "json", "--save", "results")
    assert status == 0
    assert {row["precision"] for row in json.loads(out)["rows"]} == {"fp32"}
    (path,) = (tmp_path / "results").iterdir()
    assert f"saved: results/{path.name}" in err
    assert json.loads(path.read_text()) == json.loads(out)
    status, shown, _ = run("bench", "--from", path, "--format", "markdown")
    assert status == 0
    assert "| heads " in shown


def test_bench_refuses_what_it_cannot_do_in_one_line(run: Run) -> None:
    status, _, err = run("bench", "--rows", "pretraining")
    assert status == 2
    assert "rows is 'pretraining'; expected one of loss, pretrain" in err
    status, _, err = run("bench", "--from", "x.json", "--save", "results")
    assert status == 2
    assert "give one of them" in err
