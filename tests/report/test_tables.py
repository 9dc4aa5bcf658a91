"""The report's tables hold the results' numbers: scores, differences, baselines, protocols."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from tests.support.stored_run import report, rewrite_results, store_run, study


@pytest.mark.usefixtures("no_pictures")
def test_the_scores_are_those_of_the_results(tmp_path: Path) -> None:
    store_run(tmp_path, study())
    page = report(tmp_path)
    results = pd.read_csv(tmp_path / "results.csv").query("evaluation == 'finetune'")
    rows = {row[0]: row[1:] for row in page.table("model", "seeds")}
    ensemble = results[(results["fold"] == "ensemble") & (results["metric"] == "top1")].set_index("objective")["value"]
    assert rows["CNN-PSE-3"][2] == "51.26"  # published
    assert float(rows["CNN-PSE-3"][1]) == pytest.approx(ensemble["pse"], abs=0.01)
    assert rows["CNN-PSE-3"][3] == f"{ensemble['pse'] - ensemble['mse']:+.2f}"
    folds = results[(results["fold"] != "ensemble") & (results["objective"] == "pse")].groupby("metric")["value"]
    assert rows["CNN-PSE-3"][6:] == [
        f"{folds.mean()['top1']:.2f}",
        f"{folds.min()['top1']:.2f} to {folds.max()['top1']:.2f}",
        f"{folds.mean()['loss']:.4f}",
    ]
    assert "| CNN-PSE-3 | " + " | ".join(rows["CNN-PSE-3"]) in (tmp_path / "report.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("no_pictures")
def test_seeds_are_averaged_and_differences_taken_in_pairs(tmp_path: Path) -> None:
    store_run(tmp_path, study(), seeds=3)
    results = pd.read_csv(tmp_path / "results.csv", dtype={"seed": str})
    lacking = (results["objective"] == "pse") & (results["seed"] == "2")  # one seed of one model is not there yet
    rewrite_results(tmp_path, results[~lacking])
    page = report(tmp_path)
    rows = {row[0]: row[1:] for row in page.table("model", "seeds")}
    query = "evaluation == 'finetune' and fold == 'ensemble' and metric == 'top1'"
    top1 = results[~lacking].query(query).pivot_table(index="seed", columns="objective", values="value")
    gains = (top1["pse"] - top1["mse"]).dropna()
    assert [rows["CNN-MSE"][0], rows["CNN-PSE-3"][0]] == ["3", "2"]
    assert rows["CNN-MSE"][1].endswith(f" ± {top1['mse'].std():.2f}")
    assert rows["CNN-PSE-3"][3] == f"{gains.mean():+.2f} ± {gains.std():.2f}"
    assert len(page.table("cell")) == 6


@pytest.mark.usefixtures("no_pictures")
def test_many_protocols_are_told_by_what_they_turn(tmp_path: Path) -> None:
    turned = ("as-released", "as-described", "as-released+7", "as-released+8", "as-released+9")
    store_run(tmp_path, replace(study(), protocols=turned))
    page = report(tmp_path)
    switches = {row[0]: row[1:] for row in page.table("switch", "as-released")}
    assert switches["7. finetuning"] == ["statistics-only", "whole-encoder: as-described, as-released+7"]
    assert switches["10. downstream_augmentation"] == ["high", "same"]
    frozen = [row[1] for row in page.table("protocol", "turned") if row[2] == "frozen"]
    assert frozen == ["-", "9 switches", "fine-tuning", "frozen features", "classifier"]


@pytest.mark.usefixtures("no_pictures")
def test_baselines_stand_beside_the_models_and_say_how_many_they_beat(tmp_path: Path) -> None:
    store_run(tmp_path, study(baselines=("pixels",)))
    results = pd.read_csv(tmp_path / "results.csv", dtype=str, keep_default_na=False)
    top1 = results.query("evaluation == 'frozen' and fold == 'ensemble' and metric == 'top1'")["value"].astype(float)
    between = sorted(top1)[0] + 1e-6
    key = {"encoder": "pixels", "objective": "none", "sigma": "", "evaluation": "linear", "fold": "ensemble"}
    base = results.iloc[0].to_dict() | key
    rows = [base | {"metric": metric, "value": str(between)} for metric in ("top1", "top2", "top4")]
    rewrite_results(tmp_path, pd.concat([results, pd.DataFrame(rows)]))
    page = report(tmp_path)
    [row] = page.table("protocol", "baseline")
    assert row[:3] == ["as-released", "Pixels", f"{between:.2f}"]
    assert f"frozen: 1 of {len(top1)}" in row[5]
    assert "above every frozen CNN row of the slides (28.15 to 34." in page.text
