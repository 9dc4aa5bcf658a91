"""Verdicts on stored runs with known truth."""

from pathlib import Path

import numpy as np
import pytest

from pse_repro.claims import as_json, claims_table, judge, render_claims
from pse_repro.config.study import Model
from pse_repro.errors import NotFitError
from pse_repro.stats import holm, mcnemar, paired_difference
from pse_repro.study.cells import Cell
from pse_repro.study.predictions import Predictions
from pse_repro.study.record import Run
from tests.support.judged import CNN, IMAGES, judged, likely
from tests.support.stored_predictions import fold_path, store_predictions, study

RESNET = (Model("resnet", "mse"), Model("resnet", "pse", 3.0))


@pytest.mark.parametrize(("points", "verdict"), [(5, "holds"), (0, "inconclusive"), (-5, "fails")])
def test_three_seeds_find_what_is_true(tmp_path: Path, points: float, verdict: str) -> None:
    result = judged(tmp_path, CNN, points=points)[1]
    assert result.verdict.verdict == verdict
    assert result.seeds == 3
    assert (len(result.parts), len(result.missing)) == (8, 0)
    assert result.parts[0].measured.difference.estimate == pytest.approx(points)


@pytest.mark.parametrize("points", [5, 0, -5])
def test_one_seed_settles_nothing(tmp_path: Path, points: float) -> None:
    found = judged(tmp_path, points=points, seeds=1, mse=lambda cell: len(cell.model.name))
    assert {result.verdict.verdict for result in found.values()} == {"inconclusive"}
    assert {result.adjusted_p for result in found.values()} == {1.0}
    interval = found[1].parts[0].measured.difference
    assert interval.low <= points <= interval.high
    assert interval.high - interval.low < 4  # over images, as description


def test_one_seed_says_the_same_again(tmp_path: Path) -> None:
    assert as_json([*judged(tmp_path, seeds=1, points=3).values()]) == as_json(
        [*judged(tmp_path, seeds=1, points=3).values()]
    )


def test_a_second_seed_can_reverse_the_first(tmp_path: Path) -> None:
    part = judged(tmp_path, points=0, by_seed=(0.0235, -0.0245), seeds=2)[1].parts[0]
    assert [of.difference for of in part.measured.by_seed] == [pytest.approx(2.35), pytest.approx(-2.45)]
    assert part.measured.by_seed[0].mcnemar is not None
    assert part.measured.by_seed[0].mcnemar.p_value < 1e-9
    assert part.verdict.verdict == "inconclusive"


def test_a_gain_below_the_minimum_does_not_hold(tmp_path: Path) -> None:
    part = judged(tmp_path, points=0.25, by_seed=(0.0, 0.0, 0.0))[1].parts[0]
    assert part.measured.p_value < 0.05
    assert part.verdict.verdict == "inconclusive"
    assert "below the claim" in part.verdict.reason


def test_every_part_must_hold(tmp_path: Path) -> None:
    good = dict.fromkeys(("cnn-pse-3", "cnn-pse-4", "cnn-pse-5", "cnn-pse-6", "resnet-pse-3"), 5.0)
    found = judged(tmp_path / "good", (*CNN, *RESNET), points=good, mse=lambda cell: cell.model.objective == "pse")
    assert {number: result.verdict.verdict for number, result in found.items()} == {
        **{1: "holds", 2: "holds", 4: "holds", 6: "holds"},
        **{3: "fails", 5: "inconclusive"},  # gains are exactly equal; members, too, of which any gain would do
    }
    assert not any(found[number].missing for number in found)
    found = judged(tmp_path / "bad", (*CNN, *RESNET), points=good | {"cnn-pse-5": -5.0})
    assert {number: found[number].verdict.verdict for number in (1, 2, 4)} == {1: "fails", 2: "holds", 4: "fails"}
    assert found[1].verdict.reason.startswith("CNN-PSE-5 - CNN-MSE")
    against = min(part.against_adjusted_p for part in found[1].parts)
    assert [row[-1] for row in claims_table([found[1], found[2]])] == [f"{against:.2g}", "<0.001"]


def test_one_part_of_many_may_be_below_by_chance(tmp_path: Path) -> None:
    """Differences of -4, -5, -6 points against "at least 0.3": p is 0.012, 0.023 as one of two, 0.094 as one of 8."""
    spread = (0.01, 0.0, -0.01)
    assert judged(tmp_path / "two", points=-5, by_seed=spread)[1].verdict.verdict == "fails"
    rest = {"cnn-pse-3": -5.0, "cnn-pse-4": 5.0, "cnn-pse-5": 5.0, "cnn-pse-6": 5.0}
    result = judged(tmp_path / "eight", CNN, points=rest, by_seed=spread, frozen=10)[1]
    assert result.verdict.verdict == result.parts[0].verdict.verdict == "inconclusive"
    assert "not as one of 8 parts" in result.verdict.reason
    assert result.parts[0].against_adjusted_p == pytest.approx(8 * result.parts[0].measured.p_against)


def test_gain_larger_when_frozen(tmp_path: Path) -> None:
    result = judged(tmp_path / "larger", CNN, points=2, frozen=3)[3]
    assert result.verdict.verdict == "holds"
    assert result.parts[0].measured.difference.estimate == pytest.approx(3)
    assert judged(tmp_path / "smaller", points=5, frozen=-3)[3].verdict.verdict == "fails"


def test_the_best_bandwidth_is_remarked_by_seed(tmp_path: Path) -> None:
    points = {"cnn-pse-3": 1.0, "cnn-pse-4": 2.0, "cnn-pse-5": 2.0}
    notes = judged(tmp_path, CNN[:4], seeds=1, points=points)[4].notes
    assert notes[0] == "best of 3, finetune, seed 0: CNN-PSE-4 and CNN-PSE-5"
    assert len(notes) == 2


def test_ensembles_and_their_members(tmp_path: Path) -> None:
    """Each fold is narrowly wrong on its own tenth of the images; one fold of one model beats its ensemble there."""

    def members(cell: Cell, evaluation: str, fold: int) -> np.ndarray:
        values = np.where(np.arange(IMAGES) < 0.4 * IMAGES, 0.9, 0.1)
        values[: 200 * fold : 2] = np.where(values[: 200 * fold : 2] > 0.5, 0.45, 0.9) if fold == 1 else 0.9
        values[300 - cell.seed : 400] = 0.45 if fold == 2 else 0.9
        if (cell.model.objective, evaluation, cell.seed) == ("pse", "frozen", 1):
            values[800:1300] = 0.55 if fold == 1 else 0.1
        return values

    record = store_predictions(tmp_path, study(), members, seeds=3)
    result = {each.claim.number: each for each in judge(record)}[5]
    first = result.parts[0]
    assert first.verdict.verdict == "holds"
    assert [of.difference for of in first.measured.by_seed] == pytest.approx([5.0, 5.025, 5.05])
    assert first.measured.by_seed[0].fold_sd == pytest.approx(0)  # each of the two members lacks 100 images
    assert result.notes == ("members above their ensemble: 1 of 24 (CNN-PSE-3, frozen, fold 1, seed 1)",)


def test_reconstructs_worse_and_yet(tmp_path: Path) -> None:
    errors = {"mse": 0.0081, "pse": 0.0085}
    models = (*CNN, *RESNET)
    worse = judged(tmp_path / "a", models, points=5, mse=lambda cell: errors[cell.model.objective] + cell.seed / 1e3)[6]
    assert worse.verdict.verdict == "holds"
    assert worse.parts[0].measured.difference.estimate == pytest.approx(0.0004)
    better = judged(tmp_path / "b", points=5, mse=lambda cell: -errors[cell.model.objective] - cell.seed / 1e3)[6]
    assert better.verdict.verdict == "fails"
    assert better.verdict.reason.startswith("CNN-PSE-3 - CNN-MSE, validation_mse")


def test_half_a_claim_does_not_hold(tmp_path: Path) -> None:
    record = store_predictions(tmp_path, study(), likely(5), 3, lambda cell: float(cell.model.objective == "pse"))
    for path in tmp_path.glob("models/*/f*/fold-1.npz"):
        path.unlink()
    (result,) = judge(record)
    assert result.claim.number == 6
    assert (result.verdict.verdict, result.parts[0].verdict.verdict) == ("inconclusive", "holds")
    assert result.verdict.reason.startswith("holds in 1 of 15 parts, the others were not tested; CNN-PSE-4 - CNN-MSE,")
    assert {reason for _, reason in result.missing} == {"not in this run", "not complete for any seed"}


def test_a_claim_holds_only_with_all_its_parts(tmp_path: Path) -> None:
    models = (*CNN, *RESNET)
    record = store_predictions(tmp_path, study(models), likely(5), 3, lambda cell: float(cell.model.objective == "pse"))
    whole = {result.claim.number: result for result in judge(record)}
    held = {number for number, result in whole.items() if result.verdict.verdict == "holds"}
    assert held == {1, 2, 4, 6}
    for model in ("cnn-pse-6", "resnet-pse-3"):
        for path in tmp_path.glob(f"models/{model}-seed*/frozen-*/fold-2.npz"):
            path.unlink()
    found = {result.claim.number: result for result in judge(record)}
    for number in held:
        assert found[number].verdict.verdict == "inconclusive"
        assert {part.verdict.verdict for part in found[number].parts} == {"holds"}
        total = len(whole[number].parts)
        assert len(found[number].parts) < total
        reason = f"holds in {len(found[number].parts)} of {total} parts, the others were not tested"
        assert found[number].verdict.reason.startswith(reason)


def test_a_claim_fails_with_one_part_against_it(tmp_path: Path) -> None:
    result = judged(tmp_path, points=-5)[1]
    assert result.verdict.verdict == "fails"
    assert (len(result.parts), len(result.missing)) == (2, 6)


def test_claims_without_a_part_in_the_run_are_named(tmp_path: Path) -> None:
    found = judged(tmp_path, points=5)
    assert list(found) == [1, 3, 5, 6]
    text = render_claims([*found.values()])
    assert "1 CNN: PSE beats MSE (2/8)" in text
    assert "2 ResNet: PSE beats MSE, 4 bandwidth matters little" in " ".join(text.split())
    nothing = judge(store_predictions(tmp_path / "begun", study(), likely(5), seeds=0))
    assert nothing == []
    assert render_claims(nothing).startswith("No claim can be tested")


def test_a_seed_counts_where_it_is_complete(tmp_path: Path) -> None:
    record = store_predictions(tmp_path, study(), likely(5), 3)
    fold_path(tmp_path, evaluation="frozen", seed=1).unlink()
    result = judge(record)[0]
    assert [[of.seed for of in part.measured.by_seed] for part in result.parts] == [[0, 1, 2], [0, 2]]
    assert result.seeds == 2
    assert result.notes == ("seed 1 is incomplete and left out of 1 of 2 parts",)


def test_labels_that_disagree_are_an_error(tmp_path: Path) -> None:
    record = store_predictions(tmp_path, study(), likely(5))
    path = fold_path(tmp_path)
    with np.load(path) as arrays:
        np.savez(path, probabilities=arrays["probabilities"], labels=arrays["labels"][::-1])
    with pytest.raises(NotFitError, match="its labels differ from those of"):
        judge(record)


def test_protocols_are_judged_apart(tmp_path: Path) -> None:
    def of(cell: Cell, evaluation: str, fold: int) -> np.ndarray:
        return likely(5 if cell.protocol.name == "as-released" else -5)(cell, evaluation, fold)

    record = store_predictions(tmp_path, study(CNN, protocols=("as-released", "as-described")), of, seeds=3)
    results = judge(record)
    assert {each.protocol: each.verdict.verdict for each in results if each.claim.number == 1} == {
        "as-released": "holds",
        "as-described": "fails",
    }
    assert {each.family for each in results} == {5}


def test_holm_is_over_the_claims_of_a_protocol(tmp_path: Path) -> None:
    found = judged(tmp_path, points=1, by_seed=(0.0, 0.002, -0.003), frozen=2, mse=lambda cell: cell.seed)
    p = {number: result.p_value for number, result in found.items()}
    ranked = sorted(p, key=lambda number: p[number])
    by_hand = np.maximum.accumulate([min(1.0, (4 - rank) * p[number]) for rank, number in enumerate(ranked)])
    assert [found[number].adjusted_p for number in ranked] == pytest.approx(by_hand)
    assert p[1] == max(part.measured.p_value for part in found[1].parts)
    assert found[1].adjusted_p == pytest.approx(holm([*p.values()])[0])
    assert p[1] < found[1].adjusted_p


def test_a_part_is_the_paired_difference_of_stored_predictions(tmp_path: Path) -> None:
    found = judged(tmp_path, points=2, by_seed=(0.0, 0.01, -0.005))
    part = found[1].parts[1].measured
    stored = Predictions(Run.open(tmp_path))
    a, b = (
        np.array([stored.correct("as-released", model, "frozen", seed).ensemble_N for seed in range(3)])
        for model in ("cnn-pse-3", "cnn-mse")
    )
    assert part.difference == paired_difference(a, b, generator=np.random.default_rng(0))
    assert [of.mcnemar for of in part.by_seed] == [mcnemar(a[seed], b[seed]) for seed in range(3)]


@pytest.mark.usefixtures("claims_of_tmp_path")
def test_another_claim_is_another_table(tmp_path: Path) -> None:
    (tmp_path / "claims.toml").write_text(
        '[trained]\nnumber = 7\nshort = "trained"\ntitle = "Training helps."\nsource = "usual"\n'
        '[[trained.statements]]\nkind = "difference"\nevaluations = ["frozen"]\n'
        'pairs = [["cnn-random", "cnn-pse-3"]]\ndirection = "less"\nminimum = 1\nwhy = "enough"\n'
    )
    record = store_predictions(
        tmp_path / "run", study(baselines=("random",)), likely({"cnn-pse-3": 5, "cnn-random": 1}), 3
    )
    (result,) = judge(record)
    assert result.verdict.verdict == "holds"
    assert result.adjusted_p == result.p_value
    assert result.missing == ()
    assert result.parts[0].measured.part.published is None
