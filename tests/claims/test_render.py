"""Claims as text and as JSON."""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from pse_repro.claims import HEADER, claims_table, judge, render_claims
from pse_repro.errors import UsageError
from pse_repro.study import store
from pse_repro.study.address import RunFiles
from pse_repro.study.record import Run
from tests.support.judged import CNN, judged, likely
from tests.support.stored_predictions import store_predictions, study

pytestmark = pytest.mark.usefixtures("few_draws")


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
        by_number = {entry["number"]: entry for entry in document}
        reconstruction = by_number[6]["parts"][0]
        assert (reconstruction["low"] is None) == (seeds == 1)
        assert (reconstruction["detectable"] is None) == (seeds == 1)
        tested = {number: (entry["parts_tested"], entry["parts_total"]) for number, entry in by_number.items()}
        assert tested == {1: (8, 8), 3: (4, 4), 4: (12, 12), 5: (10, 14), 6: (12, 15)}
        assert [number for number, entry in by_number.items() if entry["adjusted_p"] is None] == [5, 6]
    pair = [*judged(tmp_path / "pair", points=5).values()]
    document = json.loads(render_claims(pair, "json"))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert {(entry["family"], entry["adjusted_p"]) for entry in document} == {(0, None)}


@pytest.mark.parametrize("seeds", [2, 3])
def test_people_read_it_in_100_columns(tmp_path: Path, seeds: int) -> None:
    by_seed = (0.02, -0.02, 0.0)
    results = judged(tmp_path, points=5, by_seed=by_seed, seeds=seeds, mse=lambda cell: cell.seed / 7).values()
    text = render_claims([*results], details=True)
    assert max(map(len, text.splitlines())) <= 100


def test_people_read_every_part_and_how_many_were_tested(tmp_path: Path) -> None:
    results = [*judged(tmp_path, points=5, by_seed=(0.02, -0.02), seeds=2, mse=lambda cell: cell.seed / 7).values()]
    text = render_claims(results, details=True)
    assert "seed 0: +7.00, only one correct 140 : 0 (p <0.001), folds' sd 0.00" in text
    assert "not in this run: CNN-PSE-4 - CNN-MSE, finetune; " in text
    row = dict(zip(HEADER, claims_table(results)[0], strict=True))
    assert (row["claim"], row["protocol"]) == ("1 CNN: PSE beats MSE", "as-released")
    assert (row["verdict"], row["tested"], row["p"]) == ("? undecided", "2 of 8", "-")
    markdown = render_claims(results, "markdown", details=True)
    assert "| claim " in markdown
    assert "```text\n1, as-released: ? undecided: 2 of 8 parts tested\n" in markdown


def test_what_each_part_could_find_is_beside_what_was_published(tmp_path: Path) -> None:
    result = judged(tmp_path, CNN, points=5, frozen=3)[1]
    lines = render_claims([result], details=True).splitlines()
    header = next(line for line in lines if line.strip().startswith("part "))
    assert header.split() == ["part", "effect,", "interval", "published", "detectable", "p", "verdict"]
    row = next(line.split() for line in lines if line.strip().startswith("CNN-PSE-3 - CNN-MSE, frozen"))
    assert row[-5:-2] == ["+5.90", f"{result.parts[4].detectable:.2f}", "<0.001"]
    assert row[-2:] == ["+", "holds"]


def test_the_interval_s_confidence_is_named(tmp_path: Path) -> None:
    record = store_predictions(tmp_path, study(CNN), likely(5), 3)
    assert "Intervals: 95 %," in render_claims(judge(record))
    store.write_json(RunFiles(tmp_path).requested, {"seeds": 8, "looks": [3, 8]})
    assert "Intervals: 97.5 %," in render_claims(judge(Run.open(tmp_path)))


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown format 'csv'; expected one of table, markdown, json"):
        render_claims([], "csv")
