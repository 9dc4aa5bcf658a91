"""Two runs against each other."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from pse_repro.compare.runs import VERDICTS, RunsComparison, compare_runs, render_runs
from pse_repro.config.study import Model
from pse_repro.errors import UsageError
from pse_repro.stats import paired_difference
from pse_repro.study import store
from pse_repro.study.load import without_test
from pse_repro.study.predictions import Predictions
from pse_repro.study.record import Run
from pse_repro.tables import read_table, write_table
from tests.support.stored_run import store_run, study

DATA = {"name": "photos", "md5": {"test_X.bin": "ab"}}
FORMATS = ["table", "markdown", "csv", "json", "latex", "html"]


def move(run: Path, by: float, **where: str) -> None:
    """Change some of a run's results."""
    results = read_table(run / "results.csv")
    chosen = np.logical_and.reduce([results[column] == value for column, value in where.items()])
    results.loc[chosen, "value"] += by
    write_table(results, run / "results.csv", store.write_bytes)


def verdicts(comparison: RunsComparison) -> dict[str, int]:
    return {str(verdict): int(count) for verdict, count in comparison.rows["verdict"].value_counts().items()}


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Store the same run twice."""
    for name in ("a", "b"):
        store_run(tmp_path / name, study(), seeds=2, data=DATA)
    return tmp_path / "a", tmp_path / "b"


def test_a_run_is_identical_to_itself(runs: tuple[Path, Path]) -> None:
    comparison = compare_runs(*map(Run.open, runs))
    assert set(verdicts(comparison)) == {"identical"}
    assert comparison.exit_status == 0
    assert comparison.same_images
    ensembles = comparison.rows.query("fold == 'ensemble' and metric == 'top1'")
    assert (ensembles[["low", "high"]] == 0).all(axis=None)
    assert comparison.rows["seeds"].unique().tolist() == [2]


def test_a_value_moved_is_seen_and_judged(runs: tuple[Path, Path]) -> None:
    move(runs[0], 0.5, evaluation="frozen", fold="ensemble", metric="top1", objective="pse")
    assert verdicts(compare_runs(*map(Run.open, runs)))["within"] == 1
    move(runs[0], 9, evaluation="frozen", fold="ensemble", metric="top1", objective="pse")
    comparison = compare_runs(*map(Run.open, runs))
    [row] = comparison.rows.query("verdict == 'outside'").to_dict("records")
    assert (row["objective"], row["evaluation"], row["metric"]) == ("pse", "frozen", "top1")
    assert row["difference"] == pytest.approx(9.5)
    assert comparison.exit_status == 1


def test_intervals_are_paired_over_the_test_images(tmp_path: Path) -> None:
    models = (Model("cnn", "mse"), Model("cnn", "pse", 3.0), Model("cnn", "pse", 4.0))
    store_run(tmp_path / "a", study(models=models), seeds=3, data=DATA)
    store_run(tmp_path / "b", study(models=models[::-1]), seeds=3, data=DATA)  # each cell gets another number's noise
    rows = compare_runs(Run.open(tmp_path / "a"), Run.open(tmp_path / "b")).rows
    wanted = "evaluation == 'frozen' and objective == 'mse' and metric == 'top1' and fold == 'ensemble'"
    [row] = rows.query(wanted).to_dict("records")
    correct = []
    for name in ("a", "b"):
        stored = Predictions(Run.open(tmp_path / name))
        correct.append([stored.correct("as-released", "cnn-mse", "frozen", seed).ensemble_N for seed in range(3)])
    slow = paired_difference(correct[0], correct[1], generator=np.random.default_rng(0))
    assert (row["low"], row["high"]) == (slow.low, slow.high)
    assert slow.low < slow.high


def test_other_test_images_are_not_paired_and_other_cells_are_said(tmp_path: Path, runs: tuple[Path, Path]) -> None:
    other = study(models=(Model("cnn", "mse"), Model("resnet", "mse")))
    store_run(tmp_path / "c", other, data={"name": "x", "md5": {"test_X.bin": "cd"}})
    comparison = compare_runs(Run.open(runs[0]), Run.open(tmp_path / "c"))
    assert not comparison.same_images
    assert comparison.rows["low"].isna().all()
    found = verdicts(comparison)
    assert found["only in the first"] == found["only in the second"] > 0
    assert "other test images" in render_runs(comparison, "table")


def test_runs_of_other_protocols_and_seeds_are_compared_in_what_both_have(tmp_path: Path) -> None:
    several = study(protocols=("as-released", "as-described"))
    store_run(tmp_path / "several", several, seeds=3)
    store_run(tmp_path / "one", study(protocols=("as-released",)), seeds=1)
    results = read_table(tmp_path / "several" / "results.csv")
    for first, second in (("several", "one"), ("one", "several")):
        rows = compare_runs(Run.open(tmp_path / first), Run.open(tmp_path / second)).rows
        alone = rows["protocol"] == "as-described"
        assert set(rows.loc[alone, "verdict"]) == {f"only in the {'first' if first == 'several' else 'second'}"}
        assert set(rows.loc[~alone, "seeds"]) == {1}
    ours = results[results["seed"].eq("0") & results["protocol"].eq("as-released")]
    kept = rows.loc[~alone].merge(ours, on=["encoder", "objective", "sigma", "evaluation", "fold", "metric"])
    assert len(kept) == (~alone).sum()
    assert kept["second"].tolist() == pytest.approx(kept["value"].tolist())  # of seed 0, not of all three


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_tells_it(runs: tuple[Path, Path], format: str) -> None:
    move(runs[0], 9, evaluation="frozen", metric="loss")
    comparison = compare_runs(*map(Run.open, runs))
    text = render_runs(comparison, format)
    if format == "json":
        schema = json.loads((files("pse_repro") / "schemas" / "runs.schema.json").read_text(encoding="utf-8"))
        document = json.loads(text)
        jsonschema.validate(document, schema)
        assert {row["verdict"] for row in document["rows"]} <= {*VERDICTS, ""}
    assert "outside" in text


def test_what_is_no_run_is_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a run directory"):
        compare_runs(Run.open(runs[0]), Run.open(tmp_path))


def test_runs_with_and_without_copies_of_test_images_are_told_apart_and_not_judged(tmp_path: Path) -> None:
    store_run(tmp_path / "a", study(), data=DATA)
    store_run(tmp_path / "b", without_test(study()), data=DATA)
    move(tmp_path / "a", 30, metric="top1")
    comparison = compare_runs(Run.open(tmp_path / "a"), Run.open(tmp_path / "b"))
    assert comparison.same_images
    assert (comparison.whole.verdict, comparison.exit_status) == ("", 0)
    told = "other data sets: pre-trained on the unlabelled images all (first), without-test (second)"
    assert told in render_runs(comparison, "table")
    document = json.loads(render_runs(comparison, "json"))
    assert document["unlabeled"] == ["all", "without-test"]
    jsonschema.validate(document, json.loads((files("pse_repro") / "schemas" / "runs.schema.json").read_text()))
    same = compare_runs(Run.open(tmp_path / "b"), Run.open(tmp_path / "b"))
    assert "other data sets" not in render_runs(same, "table")
