"""`bench --card` in its tiny form on a CPU: every part, as a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pse_repro.bench.card.run import PARTS
from pse_repro.bench.result import load
from pse_repro.expected import load_expected
from pse_repro.study.record import Run
from tests.support.schemas import validated

ROOT = Path(__file__).parents[2]


def test_the_whole_of_it_in_its_tiny_form(images: Path, tmp_path: Path) -> None:
    """One run of minutes: every part ends well, finds what the real form is to find, and leaves files the kit reads."""
    out = tmp_path / "out"
    words = ["bench", "--card", "--quick", "--device", "cpu", "--data", str(images), "--out", str(out)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "pse_repro", *words, "--minutes", "20"]
    process = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert process.returncode == 0, process.stderr
    check_parts(out, process)
    check_figures(json.loads((out / "card.json").read_text())["parts"])
    check_files(out)


def check_parts(out: Path, process: "subprocess.CompletedProcess[str]") -> None:
    document = validated((out / "card.json").read_text(), "card")
    assert {part["name"]: part["state"] for part in document["parts"]} == dict.fromkeys(PARTS, "ok")
    lines = process.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [*PARTS, "results"]
    assert lines[-1] == f"results: {out / 'card.md'}"
    assert "machine: at most" in process.stderr
    assert document["quick"]
    assert "Quick: tiny sizes" in (out / "card.md").read_text()


def check_figures(parts: list[dict[str, Any]]) -> None:
    found = {part["name"]: {figure["name"]: figure["value"] for figure in part["figures"]} for part in parts}
    for name in ("matrix product, float32", "matrix product, bfloat16", "copy on the device, read and written"):
        assert found["machine"][name] > 0
    golden = load_expected("smoke-objectives").frame.set_index(["objective", "metric"])["value"]
    assert found["smoke"]["cnn-pse-3: validation_loss"] == pytest.approx(golden["pse", "validation_loss"], rel=1e-3)
    assert found["tests"]["skipped"] > 10  # there is no GPU here
    assert found["speed"]["PSE, sigma 3 / MSE, fp32"] > 0
    assert found["speed"]["CNN, batch of 4, fp32"] > 0
    assert found["study"]["as-released, cnn-mse: epoch of 8 images"] > 0
    for evaluation in ("finetune", "frozen", "linear", "knn"):
        assert found["study"][f"as-released, cnn-pse-3: {evaluation}"] > 0
    for protocol in ("as-released", "as-described"):
        for source in ("the bench's rates", "the run's epochs"):
            assert found["study"][f"full on STL-10, {protocol}, one seed, by {source}: at least"] > 0


def check_files(out: Path) -> None:
    assert {row.group for name in ("loss", "pretrain") for row in load(out / f"bench-{name}.json").rows} == {
        "loss",
        "pretrain",
    }
    run = Run.open(out / "run")
    assert len(run.cells) == 2
    assert not run.failures()
    assert run.run_files.page.is_file()
    validated((out / "comparison.json").read_text(), "comparison")
    assert (out / "comparison.md").read_text().startswith("|")
    assert json.loads((out / "provenance.json").read_text())["versions"]["torch"]
