"""plan."""

import json
import re
from importlib.resources import files

import jsonschema
import pytest

from pse_repro.config.study import Model
from pse_repro.study.load import load_study
from tests.cli.conftest import Run


def test_a_plan_lists_every_model_and_follows_its_schema(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.commands.plan.estimate_seconds", lambda *_: 7200.0)
    status, out, _ = run("plan", "full", "--protocol", "as-released", "--protocol", "as-described", "--seeds", "2")
    assert status == 0
    assert len(re.findall("^as-", out, re.M)) == 36  # 7 models and 2 untrained encoders
    assert "study full: 36 models, at least 2.0 h here" in out
    plan = json.loads(run("plan", "full", "--format", "json")[1])
    jsonschema.validate(plan, json.loads((files("pse_repro") / "schemas" / "plan.schema.json").read_text()))
    lengths = {(row["encoder"], row["objective"], row["sigma"]): row["epochs"] for row in plan["cells"]}
    assert lengths["cnn", "mse", None] == 116  # switch 6, study page
    assert lengths["cnn", "pse", 6] == 334


def test_a_plan_with_a_search_lists_its_tries_first_and_counts_each_model_twice(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {"tuned": 1800.0, "tuned-search": 3600.0}
    monkeypatch.setattr("pse_repro.commands.plan.estimate_seconds", lambda study, *_: seconds[study.name])
    _, table, _ = run("plan", "tuned")
    listed = re.findall(r"cnn +(mse\S*)", table)
    assert listed == [*(f"mse+try-{number}" for number in range(1, 7)), "mse"]
    assert "at least 2.0 h here" in table


def test_a_plan_of_the_objectives_lists_all_models(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pse_repro.commands.plan.estimate_seconds", lambda *_: 7200.0)
    plan = json.loads(run("plan", "objectives-small", "--format", "json")[1])
    jsonschema.validate(plan, json.loads((files("pse_repro") / "schemas" / "plan.schema.json").read_text()))
    study = load_study("objectives-small")
    models = [*study.models, Model("cnn", "random")]  # the baseline is a model, too
    assert [(row["encoder"], row["objective"], row["sigma"]) for row in plan["cells"]] == [
        (model.encoder, model.objective, model.sigma) for model in models
    ]
    assert {row["epochs"] for row in plan["cells"] if row["objective"] != "random"} == {study.epochs}
    assert {tuple(row["evaluations"]) for row in plan["cells"]} == {study.evaluations}
    _, table, _ = run("plan", "objectives-small")
    assert f"study objectives-small: {len(models)} models, at least 2.0 h here" in table
