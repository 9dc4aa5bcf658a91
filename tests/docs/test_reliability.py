"""docs/reliability.md: its figures are those of the stored harnesses' results, and none of them is bad."""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").split())


def stored(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "docs" / "results" / "reliability" / f"{name}.json").read_text())
    return found


def test_the_kills_are_the_stored_ones() -> None:
    facts = stored("kills")
    random, within = facts["random"], facts["within_epochs"]
    assert f"{random['kills']} kills of {random['runs']} runs: 0 differences" in PAGE
    assert f"a run ended after {within['kills']} kills: 0 differences" in PAGE
    assert random["unlike"] == within["unlike"] == []
    assert within["every_seconds"] < within["shortest_epoch_seconds"]


def test_no_figure_is_missing() -> None:
    assert not re.search(r"\b(KILLS|DAMAGE|HOSTILE|INPUTS|STEADY)\b", PAGE)
