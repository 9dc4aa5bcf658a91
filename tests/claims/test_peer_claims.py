"""Claims about the methods that PSE is compared with: published numbers, and verdicts with known truth."""

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from pse_repro.claims import ClaimResult, claims_in_question, judge, load_claims, render_claims
from pse_repro.config.study import Model
from pse_repro.models import ENCODERS
from pse_repro.objectives import OBJECTIVES
from pse_repro.study.cells import Cell
from pse_repro.study.load import load_study
from tests.support.stored_predictions import LABELS, store_predictions, study

CLAIMS = {claim.number: claim for claim in load_claims("peers")}
IMAGES = len(LABELS)
# Points of accuracy by objective, as the claims have it.
BETTER = {
    **{"pirl-jigsaw": 8.0, "pirl-rotation": 6.0, "pirl-both": 9.0, "jigsaw": 4.0, "rotation": 3.0, "simclr": 7.0},
    **{"deepcluster": 5.0},
    **{"jigsaw-1000-far": 5.0, "jigsaw-1000-middle": 2.5, "jigsaw-1000-near": 1.0, "jigsaw-10": 0.0, "random": 0.0},
}
Metrics = Callable[[Cell, str], dict[str, float]]


def names_in(number: int) -> list[str]:
    """Return all models of a claim."""
    statements = CLAIMS[number].statements
    pairs = [name for statement in statements for pair in statement.pairs for name in pair]
    return list(dict.fromkeys([*pairs, *(name for statement in statements for name in statement.models)]))


def model_of(name: str) -> Model:
    """Return the model of a name: with a sigma if it ends in a number, without copies of test images if it says so."""
    found = re.fullmatch(r"([a-z]+)-(.+?)(\+without-test)?(?:-([3-6]))?", name)
    assert found is not None
    encoder, objective, without, sigma = found.groups()
    model = Model(encoder, objective, float(sigma) if sigma else None, unlabeled="without-test" if without else None)
    assert model.name == name
    return model


def judged(
    directory: Path,
    names: list[str],
    evaluations: tuple[str, ...],
    better: dict[str, float] | None = None,
    metrics: Metrics = lambda _, __: {},
    seeds: int = 3,
    sign: int = 1,
) -> dict[int, ClaimResult]:
    """Judge the claims, by number, on a run of those models; accuracies are 40 % plus `sign` times `better` points."""

    def likely(cell: Cell, evaluation: str, fold: int) -> np.ndarray:
        points = sign * (better or {}).get(cell.model.labelled, 0.0) + (0.0, 0.1, -0.1)[cell.seed]
        return np.arange(IMAGES) < round((0.4 + points / 100) * IMAGES)

    of_run = study(tuple(map(model_of, names)), evaluations=evaluations)
    record = store_predictions(directory, of_run, likely, seeds, lambda _: 0.01, metrics=metrics)
    return {result.claim.number: result for result in judge(record)}


# --- the data


def test_numbers_are_above_the_studys() -> None:
    assert [claim.number for claim in load_claims()] == [1, 2, 3, 4, 5, 6]
    assert [*CLAIMS] == [8, 9, 10, 11, 12, 13, 20, 21]
    for claim in CLAIMS.values():
        assert claim.title.endswith(".")
        assert claim.source
        assert all(len(statement.why) > 10 for statement in claim.statements)


def test_every_model_that_a_claim_names_can_be_trained() -> None:
    for number in CLAIMS:
        for name in names_in(number):
            model = model_of(name)
            assert model.encoder in ENCODERS, name
            assert model.objective in OBJECTIVES, name


def test_published_effects_are_differences_of_the_sources_numbers() -> None:
    accuracy, _ = CLAIMS[9].statements
    assert accuracy.published == (88 - 98, 88 - 90, 88 - 89)  # jigsaw task, in percent
    linear = {"jigsaw": 45.7, "rotation": 48.9, "pirl-jigsaw": 62.2, "pirl-rotation": 60.2, "pirl-both": 63.1}
    for part in CLAIMS[10].parts():
        a, b = (term.model.split("-", 1)[1] for term in (*part.plus, *part.minus))
        assert part.published == pytest.approx(linear[a] - linear[b])
    clusters, error = CLAIMS[12].statements
    assert clusters.published == pytest.approx((0.86658 - 0.77058,))
    assert error.published == pytest.approx(((0.020175993 - 0.020446502) / 4,), abs=1e-7)  # pixels in [0, 1]


def test_no_worse_is_half_of_what_the_study_calls_worse() -> None:
    worse = next(claim for claim in load_claims() if claim.number == 6).statements[0]
    assert CLAIMS[12].statements[1].threshold == pytest.approx(min(worse.published) / 2)


# --- verdicts


@pytest.mark.parametrize(
    ("number", "evaluations"),
    [(8, ("linear",)), (10, ("linear",)), (11, ("low-label-1", "low-label-10")), (21, ("linear", "knn"))],
)
@pytest.mark.parametrize(("sign", "verdict"), [(1, "holds"), (0, "undecided"), (-1, "fails")])
def test_accuracies_decide(tmp_path: Path, number: int, evaluations: tuple[str, ...], sign: int, verdict: str) -> None:
    result = judged(tmp_path, names_in(number), evaluations, BETTER, sign=sign)[number]
    assert result.verdict.verdict == verdict
    assert not result.missing
    assert len(result.parts) == len(CLAIMS[number].parts())


@pytest.mark.parametrize(
    ("harder", "sign", "verdict"), [(5, 1, "holds"), (0, 1, "undecided"), (-5, 1, "fails"), (5, -1, "fails")]
)
def test_precautions_must_make_it_harder_and_the_features_better(
    tmp_path: Path, harder: float, sign: int, verdict: str
) -> None:
    def metrics(cell: Cell, evaluation: str) -> dict[str, float]:
        return {"validation_accuracy": 90 - harder * (cell.model.objective == "jigsaw") + cell.seed / (10 + harder)}

    result = judged(tmp_path, names_in(9), ("linear",), BETTER, metrics, sign=sign)[9]
    assert result.verdict.verdict == verdict
    assert [part.measured.part.statement.unit for part in result.parts] == 7 * ["percentage points"]
    assert result.parts[0].measured.difference.estimate == pytest.approx(-harder)


@pytest.mark.parametrize(
    ("gain", "error", "verdict"),
    [
        (0.08, -0.0005, "holds"),
        (0.08, 0.0001, "holds"),  # worse, by less than counts
        (0.08, 0.0002, "undecided"),
        (0.08, 0.0005, "fails"),
        (-0.08, 0.0, "fails"),
    ],
)
def test_clusters_better_at_no_worse_an_error(tmp_path: Path, gain: float, error: float, verdict: str) -> None:
    def metrics(cell: Cell, evaluation: str) -> dict[str, float]:
        rotates, spread = cell.model.objective == "rotation-ae", (0.0, 1.0, -1.0)[cell.seed]
        if evaluation == "pretrain":
            return {"validation_mse": 0.005 + rotates * (error + spread * 1e-6)}
        return {"two_domains_accuracy": 0.7 + rotates * (gain + spread / 100)}

    result = judged(tmp_path, names_in(12), ("cluster",), metrics=metrics)[12]
    assert result.verdict.verdict == verdict
    assert result.parts[0].measured.difference.estimate == pytest.approx(gain)
    no_worse = result.parts[1]
    assert no_worse.measured.difference.estimate == pytest.approx(error)
    assert no_worse.verdict.reason.startswith("against 0.0002: ")
    assert no_worse.measured.p_value == no_worse.measured.difference.p_value(0.0002)


@pytest.mark.parametrize(("rho", "verdict"), [(-0.3, "holds"), (-0.9, "undecided"), (-0.99, "fails")])
def test_error_against_clusters_over_the_epochs(tmp_path: Path, rho: float, verdict: str) -> None:
    def metrics(cell: Cell, evaluation: str) -> dict[str, float]:
        return {"error_rank_correlation": rho + (0.0, 0.01, -0.01)[cell.seed]} if evaluation == "cluster" else {}

    results = judged(tmp_path, names_in(13), ("cluster",), metrics=metrics)
    assert results[13].verdict.verdict == verdict
    assert results[13].parts[0].measured.difference.estimate == pytest.approx(rho)
    assert "two_domains_accuracy" not in render_claims([*results.values()])  # without it claim 12 is half


@pytest.mark.parametrize(("moved", "verdict"), [(0.0, "holds"), (6.0, "fails"), (-6.0, "fails"), (0.8, "undecided")])
def test_copies_matter_to_the_pair_or_not(tmp_path: Path, moved: float, verdict: str) -> None:
    """A change of 6 points is beyond the margin, in either direction; one of 0.8 is too close to it, fine-tuned."""
    better = {"pse+without-test": moved}
    result = judged(tmp_path, names_in(20), ("finetune", "frozen"), better)[20]
    assert result.verdict.verdict == verdict
    assert not result.missing


def test_the_study_of_the_copies_tests_both_claims_whole() -> None:
    leak = load_study("leak")
    for number in (20, 21):
        assert set(names_in(number)) <= {model.name for model in leak.models}
        assert {name for each in CLAIMS[number].statements for name in each.evaluations} <= set(leak.evaluations)


# --- where they appear


def test_a_run_of_none_of_their_models_says_nothing_of_them(tmp_path: Path) -> None:
    results = judged(tmp_path, ["cnn-mse", "cnn-random"], ("finetune", "linear"))
    assert [*results] == [5]
    assert claims_in_question([*results.values()]) == [*load_claims()]
    assert "far and many permutations" not in render_claims([*results.values()], details=True)


def test_a_run_of_theirs_names_what_is_not_tested(tmp_path: Path) -> None:
    found = [*judged(tmp_path, ["cnn-pirl-jigsaw", "cnn-jigsaw"], ("linear",), BETTER).values()]
    assert [result.claim.number for result in found] == [10]
    assert claims_in_question(found) == [*load_claims(), *load_claims("peers")]
    text = " ".join(render_claims(found, details=True).split())
    assert "10 PIRL beats its pretext task ? undecided 1 of 8" in text
    assert "11 SimCLR beats scratch" in text


def test_json_and_text_have_all_kinds(tmp_path: Path) -> None:
    def metrics(cell: Cell, evaluation: str) -> dict[str, float]:
        names = ("validation_accuracy", "two_domains_accuracy", "error_rank_correlation")
        return {name: 0.1 * len(cell.model.name) + 0.01 * cell.seed for name in names}

    every = [name for number in (8, 9, 12) for name in names_in(number)]
    results = [*judged(tmp_path, list(dict.fromkeys(every)), ("linear", "cluster"), BETTER, metrics).values()]
    assert [result.claim.number for result in results] == [8, 9, 12, 13]
    schema = json.loads((files("pse_repro") / "schemas" / "claims.schema.json").read_text())
    document = json.loads(render_claims(results, "json"), parse_constant=lambda name: pytest.fail(name))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert {part["kind"] for entry in document for part in entry["parts"]} == {"difference", "value"}
    text = render_claims(results, details=True)
    assert "\n    validation_accuracy\n    seed 0: " in text  # a long name goes on below
    assert max(map(len, text.splitlines())) <= 100
