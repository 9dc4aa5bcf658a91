"""README's table of the pair with eight seeds: its numbers are those of the stored results."""

import csv
import json
import re
from pathlib import Path
from statistics import mean

import pytest

from pse_repro.study.load import load_study

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
STORED = ROOT / "docs" / "results" / "pair-eight-seeds.json"
EVALUATIONS = {"fine-tuned": "finetune", "frozen": "frozen"}


def test_every_row_is_a_stored_part_of_claim_1() -> None:
    parts = {
        (claim["protocol"].replace("-", " "), part["name"].rpartition(", ")[2]): part
        for claim in json.loads(STORED.read_text())
        if claim["number"] == 1
        for part in claim["parts"]
    }
    rows = re.findall(r"^ *\| (as released|as described), (fine-tuned|frozen) \| (.*) \|$", README, re.MULTILINE)
    assert len(rows) == len(parts) == 4
    for protocol, evaluation, cells in rows:
        part = parts[protocol, EVALUATIONS[evaluation]]
        interval = f"{part['estimate']:+.2f} ({part['low']:+.2f} to {part['high']:+.2f})"
        told = (f"{part['published']:+.2f}", interval, f"{part['detectable']:.2f}", part["verdict"])
        assert cells.replace("*", "").split(" | ") == list(told)


def test_the_means_in_the_text_are_the_stored_ones() -> None:
    with STORED.with_suffix(".csv").open(newline="") as file:
        rows = [
            row for row in csv.DictReader(file) if (row["protocol"], row["evaluation"]) == ("as-described", "finetune")
        ]
    means = {
        name: mean(float(row["value"]) for row in rows if row["objective"] == name) for name in ("random", "mse", "pse")
    }
    words = "{random:.1f} % fine-tuned as described, against {mse:.1f} (MSE) and {pse:.1f} (PSE)".format(**means)
    assert words in " ".join(README.split())


@pytest.mark.parametrize("path", sorted(STORED.parent.glob("*.toml")), ids=lambda path: path.stem)
def test_a_stored_study_is_one(path: Path) -> None:
    assert load_study(str(path)).name == path.stem
