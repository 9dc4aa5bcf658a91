"""Claims as text and as JSON."""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from pse_repro.claims import claims_table, judge, render_claims
from pse_repro.errors import UsageError
from tests.support.judged import CNN, judged, likely
from tests.support.stored_predictions import store_predictions, study


def test_conditions_are_said_where_they_are_not_the_studys(tmp_path: Path) -> None:
    assert judged(tmp_path / "a", points=5)[1].conditions == ""
    record = store_predictions(tmp_path / "b", replace(study(), scale="reduced"), likely(5), data="imagenet96")
    results = judge(record)
    assert results[0].conditions == "on imagenet96, reduced"
    assert render_claims(results).splitlines()[0] == "as-released, on imagenet96, reduced"


def test_json_follows_its_schema_and_is_strict(tmp_path: Path) -> None:
    schema = json.loads((files("pse_repro") / "schemas" / "claims.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for seeds in (1, 3):
        results = [*judged(tmp_path / str(seeds), CNN, seeds=seeds, points=5).values()]
        document = json.loads(render_claims(results, "json"), parse_constant=lambda name: pytest.fail(name))
        jsonschema.Draft202012Validator(schema).validate(document)
        reconstruction = next(entry for entry in document if entry["number"] == 6)["parts"][0]
        assert (reconstruction["low"] is None) == (seeds == 1)


def test_people_read_it_in_100_columns(tmp_path: Path) -> None:
    results = [*judged(tmp_path, points=5, by_seed=(0.02, -0.02), seeds=2, mse=lambda cell: cell.seed / 7).values()]
    text = render_claims(results, details=True)
    assert max(map(len, text.splitlines())) <= 100
    assert "seed 0: +7.00, only one correct 140 : 0 (p <0.001), folds' sd 0.00" in text
    assert "not in this run: CNN-PSE-4 - CNN-MSE, finetune; " in text
    assert claims_table(results)[0][:3] == ["1 CNN: PSE beats MSE (2/8)", "as-released", "? inconclusive"]
    markdown = render_claims(results, "markdown", details=True)
    assert "| claim " in markdown
    assert "```text\n1, as-released: ? inconclusive (2/8)" in markdown


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown format 'csv'; expected one of table, markdown, json"):
        render_claims([], "csv")
