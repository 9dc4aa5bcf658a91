"""Claims on PSE's relatives: verdicts with known truth, either way; they change none of the study's verdicts."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from pse_repro.claims import ClaimResult, claims_in_question, claims_table, judge, load_claims, render_claims
from pse_repro.config.study import Model
from pse_repro.objectives import OBJECTIVES
from pse_repro.study.cells import Cell
from tests.support.stored_predictions import LABELS, store_predictions, study

pytestmark = pytest.mark.usefixtures("few_draws")

CLAIMS = {claim.number: claim for claim in load_claims("relatives")}
EVALUATIONS = ("linear", "knn", "low-label-100")
STUDY = (Model("cnn", "mse"), Model("cnn", "pse", 3.0))
RELATIVES = (Model("cnn", "blurred-mse", 3.0), Model("cnn", "highpass-mse", 3.0), Model("cnn", "l1"))
IMAGES = len(LABELS)


def judged(
    directory: Path,
    points: dict[str, float],
    models: tuple[Model, ...] = (*STUDY, *RELATIVES),
    evaluations: tuple[str, ...] = EVALUATIONS,
) -> dict[int, ClaimResult]:
    """Judge a run of three seeds in which each objective is `points` better than 40 %, the claims by number."""

    def likely(cell: Cell, evaluation: str, fold: int) -> np.ndarray:
        place = [model.objective for model in models].index(cell.model.objective)
        share = 0.4 + points.get(cell.model.objective, 0.0) / 100 + 0.001 * ((cell.seed + place) % 3 - 1)
        return np.arange(IMAGES) < round(share * IMAGES)

    run = store_predictions(directory, study(models, evaluations=evaluations), likely, seeds=3)
    return {result.claim.number: result for result in judge(run)}


def test_numbers_follow_those_of_the_peers_and_every_model_can_be_trained() -> None:
    assert [*CLAIMS] == [14, 15, 16, 17]
    for claim in CLAIMS.values():
        assert claim.title.endswith(".")
        assert claim.source
        for model in claim.models():
            objective = model.removeprefix("cnn-").removesuffix("-3")
            assert objective in OBJECTIVES
    gains = next(claim for claim in load_claims() if claim.number == 1).statements[0]
    assert {CLAIMS[number].statements[0].minimum for number in (14, 15)} == {gains.minimum}
    assert CLAIMS[16].statements[0].threshold == -gains.minimum


@pytest.mark.parametrize(
    ("points", "verdicts"),
    [
        ({"pse": 5, "blurred-mse": 2, "l1": 5, "highpass-mse": -4}, ["holds", "holds", "holds", "fails"]),
        ({"pse": -5, "blurred-mse": -2, "l1": 0, "highpass-mse": 4}, ["holds", "holds", "holds", "holds"]),
        ({"pse": 5, "blurred-mse": 5, "l1": 2}, ["holds", "fails", "fails", "fails"]),
        ({}, ["fails", "fails", "holds", "undecided"]),  # PSE within 0.9 points of MSE
        ({"pse": 0.9, "blurred-mse": 0.0, "l1": 0.0}, ["undecided", "undecided", "undecided", "undecided"]),
    ],
)
def test_each_may_turn_out_either_way(tmp_path: Path, points: dict[str, float], verdicts: list[str]) -> None:
    found = judged(tmp_path, points)
    assert [found[number].verdict.verdict for number in CLAIMS] == verdicts
    assert {found[number].family for number in CLAIMS} == {4}
    assert not any(found[number].missing for number in CLAIMS)


def test_a_difference_keeps_its_sign(tmp_path: Path) -> None:
    part = judged(tmp_path, {"pse": -5})[14].parts[0]
    assert part.verdict.verdict == "holds"
    assert part.measured.difference.estimate == pytest.approx(-5, abs=0.01)


def test_where_it_fails_the_interval_lies_within_what_counts(tmp_path: Path) -> None:
    for part in judged(tmp_path, {})[14].parts:
        difference, minimum = part.measured.difference, part.measured.part.statement.minimum
        assert -minimum < difference.low < difference.high < minimum
        assert part.measured.p_against < 0.05 < part.measured.p_value
        assert part.verdict.verdict == "fails"


def test_they_change_nothing_of_the_studys_claims(tmp_path: Path) -> None:
    evaluations = ("finetune", "frozen", *EVALUATIONS)
    points = {"pse": 5.0, "blurred-mse": 3.0}
    without = judged(tmp_path / "without", points, STUDY, evaluations)
    together = judged(tmp_path / "together", points, evaluations=evaluations)
    assert [*without] == [1, 3, 5, 6]
    assert [*together] == [*without, *CLAIMS]
    for number, result in without.items():
        assert (together[number].verdict, together[number].adjusted_p) == (result.verdict, result.adjusted_p)
        assert together[number].family == result.family
    assert claims_table([*without.values()]) == claims_table([together[number] for number in without])


def test_a_run_without_relatives_says_nothing_of_them(tmp_path: Path) -> None:
    found = judged(tmp_path, {"pse": 5.0}, STUDY)
    assert [*found] == [6]
    assert claims_in_question([*found.values()]) == [*load_claims()]


def test_json_and_text_have_them(tmp_path: Path) -> None:
    results = [*judged(tmp_path, {"pse": 5.0}).values()]
    assert claims_in_question(results) == [*load_claims(), *load_claims("relatives")]
    schema = json.loads((files("pse_repro") / "schemas" / "claims.schema.json").read_text())
    document = json.loads(render_claims(results, "json"))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert {part["direction"] for entry in document for part in entry["parts"]} == {"either", "greater", "less"}
    text = render_claims(results, details=True)
    assert "14 PSE is not MSE" in text
    assert "CNN-PSE-3 - CNN-MSE, linear" in text
    assert max(map(len, text.splitlines())) <= 100
