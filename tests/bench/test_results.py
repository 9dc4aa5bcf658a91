"""The committed results are valid by the schema, can be displayed, and agree with the README's table."""

import json
import re
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from pse_repro.bench.result import load
from pse_repro.bench.run import render_file

ROOT = Path(__file__).parents[2]
RESULTS = sorted((ROOT / "benchmarks/results").glob("*.json"))
SCHEMA = json.loads((files("pse_repro") / "schemas" / "bench.schema.json").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_stored_result_is_valid_and_can_be_shown(path: Path) -> None:
    jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), SCHEMA)
    assert "Measured matrix products" in render_file(path, [], "markdown")


@pytest.mark.parametrize(
    ("step", "row"),
    [
        ("PSE, sigma 3, forward", "PSE, sigma 3"),
        ("PSE, sigma 12", "PSE, sigma 12"),
        ("CNN pre-training", "CNN, batch of 128"),
        ("ResNet pre-training", "ResNet, batch of 16"),
        ("augmentation, high", "high augmentation"),
        ("fine-tuning five folds, as released", "CNN, as-released, one epoch of 5 folds"),
        ("fine-tuning five folds, as described", "CNN, as-described, one epoch of 5 folds"),
        ("frozen CNN features", "CNN features"),
        ("frozen ResNet features", "ResNet features"),
        ("heads of five folds", "heads of 5 folds, 5 epochs"),
    ],
)
def test_the_readme_s_speeds_are_the_stored_ones(step: str, row: str) -> None:
    found = {
        (measured.form, measured.precision): measured
        for path in RESULTS
        for measured in load(path).rows
        if measured.row == row
    }
    (line,) = re.findall(rf"^\| {re.escape(step)}.*$", README, re.MULTILINE)
    plain, single, half = line.split("|")[2:5]
    shown = [(plain, found["straightforward", "fp32"]), (single, found["ours", "fp32"])]
    if half.strip():
        shown.append((half, found["ours", "bf16"]))
    for words, measured in shown:
        (figure, unit) = re.match(r"\s*([\d,.]+)( ms)?", words).groups()  # type: ignore[union-attr]
        value = 1e3 * measured.seconds.median if unit else measured.per_second
        assert float(figure.replace(",", "")) == pytest.approx(value, rel=0.03)
        if times := re.search(r"\(([\d.]+) times\)", words):
            assert measured.speedup is not None
            assert float(times[1]) == pytest.approx(measured.speedup.median, rel=0.05)
