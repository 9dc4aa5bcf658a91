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


def test_the_damage_is_the_stored_one() -> None:
    facts = stored("damage")
    damage, hostile = facts["damage"], facts["hostile"]
    outcomes = damage["outcomes"]
    same = outcomes["same"] + outcomes.get("another manifest", 0)
    for words in (
        f"{damage['cases']} of {facts['cases_of']:,} cases, drawn at random, and {damage['readings']} readings",
        f"{outcomes['refused']} refused by name, {same} the same as before",
        f"{damage['bits_noticed']} of {damage['bits_flipped']} flipped bits noticed",
        f"{damage['repaired']} of {damage['repairs']} repaired to the same results",
        f"{outcomes['nothing proven']} readings of runs made before there were manifests",
        f"{hostile['cases']} cases, {hostile['refused']} refused in one line",
        f"{hostile['accepted']} accepted without harm",
    ):
        assert words in PAGE, words
    assert [case["case"] for case in damage["bad"]] == ["finished: models/*/manifest.jsonl: 1 TB"]  # mended since
    assert hostile["bad"] == []
    assert damage["bits_noticed"] == damage["bits_flipped"]
    assert damage["repaired"] == damage["repairs"] - 1
    assert set(outcomes) <= {"refused", "same", "another manifest", "nothing proven", "not repaired"}


def test_half_an_hour_is_the_stored_one() -> None:
    facts = stored("steady")
    low, high = (round(megabytes) for megabytes in facts["process"]["megabytes"])
    files, threads = (" to ".join(map(str, facts["process"][name])) for name in ("files", "threads"))
    assert f"{facts['rounds']} rounds in {facts['minutes']:.0f} minutes, {facts['unlike']} with other results" in PAGE
    assert f"resident memory {low} to {high} MB, open files {files}, threads {threads}" in PAGE
    assert facts["unlike"] == facts["watcher_status"] == 0
    assert max(facts["process"]["growth"], facts["watcher"]["growth"]) < 0.05


def test_no_figure_is_missing() -> None:
    assert not re.search(r"\b(KILLS|DAMAGE|HOSTILE|INPUTS|STEADY)\b", PAGE)
