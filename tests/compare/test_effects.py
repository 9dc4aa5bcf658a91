"""The switches in words, and their effects in runs with known truth."""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from pse_repro.compare.effects import Effect, switch_effects
from pse_repro.compare.explain import render_effects, render_switches
from pse_repro.config.protocol import load_protocol
from pse_repro.config.study import Model, Study
from pse_repro.study import store
from pse_repro.study.address import CellFiles
from pse_repro.study.cells import Cell, expand
from pse_repro.study.load import load_study
from pse_repro.study.record import Run
from tests.support.finished_run import forget

PAIR = (Model("cnn", "mse"), Model("cnn", "pse", 3.0))
IMAGES = 2000


def stored(folder: Path, gains: dict[str, float], seeds: int = 3, level: float = 40.0) -> Run:
    """Store a run in which PSE is `gains` points better than MSE under each protocol, with independent noise."""
    study = Study("turned", "reduced", "paper", 1, PAIR, tuple(gains), evaluations=("frozen",), folds=2)
    protocols = [load_protocol(name) for name in gains]
    for number, cell in enumerate(expand(study, protocols, seeds)):
        gain = gains[cell.protocol.name] if cell.model.objective == "pse" else 0.0
        _store(folder, cell, level + gain, np.random.default_rng(number))
    return Run(folder, study, protocols, {"name": "photos-1234"}, "cpu", "fp32")


def _store(folder: Path, cell: Cell, percent: float, random: np.random.Generator) -> None:
    labels = np.arange(IMAGES, dtype=np.uint8) % 10 + 1
    ease = np.random.default_rng(0).permutation(IMAGES)  # images that are hard for one model are hard for the other
    right = ease + random.normal(0, 100, IMAGES) < percent / 100 * IMAGES
    chosen = np.where(right, labels - 1, labels % 10)
    for fold in range(1, cell.folds + 1):
        path = CellFiles(folder, cell).fold("frozen", fold)
        store.write_npz(path, probabilities=np.eye(10)[chosen], labels=labels)


def by_protocol(effects: list[Effect]) -> dict[str, Effect]:
    assert len({effect.protocol for effect in effects}) == len(effects)
    return {effect.protocol: effect for effect in effects}


def test_a_switch_that_changes_the_gap_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    record = stored(tmp_path, {"as-released": 5.0, "as-released+8": 0.0, "as-released+9": 5.0})
    effects = by_protocol(switch_effects(record))
    base, turned, same = (effects[name] for name in ("as-released", "as-released+8", "as-released+9"))
    assert (base.switches, turned.switches, base.gap_change, base.mse_change) == ((), (8,), None, None)
    assert base.gap.low < 5 < base.gap.high
    assert base.gap.low > 0
    assert turned.gap.low < 0 < turned.gap.high
    assert turned.gap_change is not None
    assert turned.gap_change.high < 0  # the gap closed
    assert turned.gap_change.low < -5 < turned.gap_change.high
    assert same.gap_change is not None
    assert same.gap_change.low < 0 < same.gap_change.high
    assert {effect.seeds for effect in effects.values()} == {3}
    assert base.pse_top1 - base.mse_top1 == pytest.approx(base.gap.estimate)


def test_a_switch_that_only_prints_otherwise_changes_nothing_at_all(tmp_path: Path) -> None:
    record = stored(tmp_path, {"as-released": 2.0})
    both = replace(record, protocols=[*record.protocols, load_protocol("as-released+13")])
    base, printed = switch_effects(both)
    assert printed.switches == (13,)
    assert printed.gap == base.gap
    assert printed.gap_change is not None
    assert (printed.gap_change.estimate, printed.gap_change.low, printed.gap_change.high) == (0, 0, 0)


def test_seeds_that_one_side_lacks_are_left_out(tmp_path: Path) -> None:
    record = stored(tmp_path, {"as-released": 1.0, "as-described": 1.0})
    cell = expand(record.study, record.protocols[1:], 3)[4]  # seed 2
    forget(CellFiles(tmp_path, cell).fold("frozen", 2))
    effects = by_protocol(switch_effects(record))
    assert (effects["as-released"].seeds, effects["as-described"].seeds) == (3, 2)


def test_without_the_base_there_are_gaps_and_no_changes(tmp_path: Path) -> None:
    record = stored(tmp_path, {"as-described": 3.0})
    [effect] = switch_effects(record)
    assert (effect.switches, effect.gap_change) == ((), None)


@pytest.mark.parametrize("format", ["table", "markdown", "json"])
def test_effects_are_shown(tmp_path: Path, format: str) -> None:
    record = stored(tmp_path, {"as-released": 5.0, "as-released+8": 0.0}, seeds=1)
    text = render_effects(switch_effects(record), "photos-1234, reduced", format)
    if format == "json":
        document = json.loads(text)
        jsonschema.validate(document, _schema("effects"))
        assert document["effects"][1]["switches"] == [8]
    else:
        assert "frozen features" in text
        assert "(one seed)" in text
        assert "photos-1234, reduced" in text


def test_the_switches_are_told_in_words() -> None:
    text = render_switches("table")
    assert all(len(line) <= 80 for line in text.splitlines())
    assert [line.split(".")[0] for line in text.splitlines() if line[:1].isdigit()] == [str(n) for n in range(1, 15)]
    assert render_switches("markdown").count("\n") == 15
    jsonschema.validate(json.loads(render_switches("json")), _schema("switches"))


def test_the_switches_study_turns_each_of_them_alone() -> None:
    study = load_study("switches")
    assert study.protocols == ("as-released", "as-described", *(f"as-released+{number}" for number in range(1, 15)))
    own = [(model.epochs, model.batch_size) for model in study.models]
    assert all(epochs != study.epochs and size != study.overrides["batch_size"] for epochs, size in own)


def _schema(name: str) -> dict[str, object]:
    return dict(json.loads((files("pse_repro") / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8")))


def test_clusterings_which_have_no_folds_are_left_out(tmp_path: Path) -> None:
    record = stored(tmp_path, {"as-released": 2.0})
    study = replace(record.study, evaluations=("frozen", "cluster"))
    for cell in expand(study, record.protocols, seeds=3):
        store.write_json(CellFiles(tmp_path, cell).measures("cluster"), {"metrics": {}})
    found = switch_effects(replace(record, study=study))
    assert {effect.evaluation for effect in found} == {"frozen"}
