"""Slides against released code: both gains side by side, or what the other protocol would show."""

import shlex
from pathlib import Path

import pytest

from pse_repro.compare.effects import Effect, switch_effects
from pse_repro.config.study import Model
from pse_repro.report.finding import Finding, finding
from pse_repro.study.record import Run
from tests.support.stored_run import MODELS, store_run, study


def found_in(directory: Path) -> tuple[Finding | None, list[Effect]]:
    run = Run.open(directory)
    effects = switch_effects(run)
    return finding(run, effects), effects


@pytest.mark.parametrize("seeds", [1, 2])
def test_both_protocols_stand_side_by_side(tmp_path: Path, seeds: int) -> None:
    store_run(tmp_path, study(protocols=("as-described", "as-released", "as-released+7")), seeds=seeds)
    found, effects = found_in(tmp_path)
    assert found is not None
    assert found.table is not None
    assert not found.command
    assert found.table.header[3:5] == ("gain as-released", "gain as-described")
    by_key = {(each.protocol, each.evaluation): each for each in effects}
    released, described = by_key["as-released", "frozen"], by_key["as-described", "frozen"]
    row = next(row for row in found.table.rows if row[1] == "Frozen features")
    assert described.mse_change is not None
    intervals = (released.gap, described.gap, described.mse_change)
    shown = [f"{each.estimate:+.2f} ({each.low:+.2f} to {each.high:+.2f})" for each in intervals]
    assert row == [
        "CNN-PSE-3 over CNN-MSE", "Frozen features", "+5.90", *shown[:2],
        f"{released.mse_top1:.2f}", f"{described.mse_top1:.2f}", shown[2],
    ]  # fmt: skip
    assert f"PSE gains {shown[0]} points over MSE as released and {shown[1]} as described" in found.words[1]
    assert f"moves by {shown[2]}" in found.words[1]
    assert ("one seed" in found.table.notes[0]) == (seeds == 1)


def test_several_pairs_are_told_by_their_range(tmp_path: Path) -> None:
    models = (*MODELS, Model("cnn", "pse", 4.0))
    store_run(tmp_path, study(protocols=("as-released", "as-described"), models=models))
    found, effects = found_in(tmp_path)
    assert found is not None
    gains = [e.gap.estimate for e in effects if (e.protocol, e.evaluation) == ("as-released", "finetune")]
    assert f"PSE gains {min(gains):+.2f} to {max(gains):+.2f} points" in found.words[0]


@pytest.mark.parametrize(("protocol", "other"), [("as-released", "as the slides"), ("as-described", "as the code")])
def test_one_protocol_alone_says_how_to_run_both(tmp_path: Path, protocol: str, other: str) -> None:
    store_run(tmp_path, study(protocols=(protocol,)))
    found, _ = found_in(tmp_path)
    assert found is not None
    assert other in found.words[0].split("Running them")[1]
    assert "the 9 of fourteen switches" in found.words[0]
    parts = shlex.split(found.command)
    assert [parts[at + 1] for at, part in enumerate(parts) if part == "--protocol"] == ["as-released", "as-described"]
    assert parts[-2:] == ["--out", "runs/tiny-both"]


def test_a_run_without_a_pair_or_without_either_protocol_has_no_finding(tmp_path: Path) -> None:
    store_run(tmp_path / "mse", study(models=MODELS[:1]))
    store_run(tmp_path / "turned", study(protocols=("as-released+7",)))
    assert found_in(tmp_path / "mse")[0] is None
    assert found_in(tmp_path / "turned")[0] is None
