"""Verdicts on stored runs with known truth."""

from pathlib import Path

import numpy as np
import pytest

from pse_repro.claims import as_json, claims_table, is_decided, judge, render_claims
from pse_repro.errors import NotFitError
from pse_repro.stats import holm
from pse_repro.study import store
from pse_repro.study.cells import Cell
from tests.support.finished_run import forget
from tests.support.judged import CNN, IMAGES, RESNET, judged, likely
from tests.support.stored_predictions import fold_path, store_predictions, study

pytestmark = pytest.mark.usefixtures("few_draws")


@pytest.mark.parametrize(("points", "verdict"), [(5, "holds"), (2.2, "undecided"), (0, "fails"), (-5, "fails")])
def test_three_seeds_find_what_is_true(tmp_path: Path, points: float, verdict: str) -> None:
    """Against at least 0.9 points fine-tuned and 2.6 frozen; 2.2 may be 2.6."""
    result = judged(tmp_path, CNN, points=points)[1]
    assert result.verdict.verdict == verdict
    assert result.seeds == 3
    assert (len(result.parts), len(result.missing)) == (8, 0)
    assert result.parts[0].measured.difference.estimate == pytest.approx(points)


@pytest.mark.parametrize(("points", "seeds"), [(5, 2), (0, 1), (-5, 2)])
def test_fewer_than_three_seeds_settle_nothing(tmp_path: Path, points: float, seeds: int) -> None:
    models = (*CNN, *RESNET)
    found = judged(tmp_path, models, points=points, seeds=seeds, mse=lambda cell: len(cell.model.name) + cell.seed / 9)
    assert [*found] == [1, 2, 3, 4, 5, 6]
    for result in found.values():
        assert result.words == result.verdict.verdict == "undecided"
        assert result.verdict.reason.endswith(f": {seeds} seed{'s' * (seeds > 1)}; a verdict needs at least 3")
        assert {(part.verdict.verdict, part.detectable) for part in result.parts} == {("undecided", None)}
    assert {result.family for result in found.values()} == {6}


@pytest.mark.parametrize("points", [5, 0, -5])
def test_one_seed_is_no_evidence_and_its_interval_is_over_images(tmp_path: Path, points: float) -> None:
    found = judged(tmp_path, CNN, points=points, seeds=1)
    assert {result.p_value for result in found.values()} == {1.0}
    assert [found[number].adjusted_p for number in (1, 3, 4)] == [1.0, 1.0, 1.0]
    interval = found[1].parts[0].measured.difference
    assert interval.low <= points <= interval.high
    assert interval.high - interval.low < 4  # as description


def test_one_seed_says_the_same_again(tmp_path: Path) -> None:
    assert as_json([*judged(tmp_path, seeds=1, points=3).values()]) == as_json(
        [*judged(tmp_path, seeds=1, points=3).values()]
    )


def test_a_second_seed_can_reverse_the_first(tmp_path: Path) -> None:
    part = judged(tmp_path, points=0, by_seed=(0.0235, -0.0245), seeds=2)[1].parts[0]
    assert [of.difference for of in part.measured.by_seed] == [pytest.approx(2.35), pytest.approx(-2.45)]
    assert part.measured.by_seed[0].mcnemar is not None
    assert part.measured.by_seed[0].mcnemar.p_value < 1e-9
    assert part.verdict.verdict == "undecided"


def test_a_gain_below_the_minimum_does_not_hold(tmp_path: Path) -> None:
    part = judged(tmp_path, points=0.75, by_seed=(0.0, 0.0, 0.0))[1].parts[0]
    assert part.measured.p_value < 0.05
    assert part.verdict.verdict == "undecided"
    assert "below the claim" in part.verdict.reason


def test_every_part_must_hold(tmp_path: Path) -> None:
    good = dict.fromkeys(("cnn-pse-3", "cnn-pse-4", "cnn-pse-5", "cnn-pse-6", "resnet-pse-3"), 5.0)
    found = judged(
        tmp_path / "good", (*CNN, *RESNET), points=good, mse=lambda cell: float(cell.model.objective == "pse")
    )
    assert {number: result.verdict.verdict for number, result in found.items()} == {
        **{1: "holds", 2: "holds", 4: "holds", 6: "holds"},
        **{3: "fails", 5: "undecided"},  # gains are exactly equal; members, too, of which any gain would do
    }
    assert not any(found[number].missing for number in found)
    found = judged(tmp_path / "bad", (*CNN, *RESNET), points=good | {"cnn-pse-5": 0.4}, frozen=3)
    assert {number: found[number].verdict.verdict for number in (1, 2, 4)} == {1: "fails", 2: "holds", 4: "fails"}
    assert found[1].verdict.reason.startswith("CNN-PSE-5 - CNN-MSE, finetune: ")
    against = min(part.against_adjusted_p for part in found[1].parts)
    assert 0.01 < against < 0.05
    assert [row[-1] for row in claims_table([found[1], found[2]])] == [f"{against:.2g}", "<0.001"]


def test_one_part_of_many_may_be_below_by_chance(tmp_path: Path) -> None:
    """Differences of -3, -5, -7 points against "at least 0.9" and "at least 1": p is 0.007.

    That is 0.014 as one of two parts and 0.06 as one of eight.
    """
    points = {"cnn-pse-3": -5.0, "cnn-pse-4": 5.0, "cnn-pse-5": 5.0, "cnn-pse-6": 5.0, "resnet-pse-3": -5.0}
    found = judged(tmp_path, (*CNN, *RESNET), points=points, by_seed=(0.02, 0.0, -0.02), frozen=20)
    of_eight, of_two = found[1], found[2]
    assert of_two.verdict.verdict == of_two.parts[0].verdict.verdict == "fails"
    assert of_eight.verdict.verdict == of_eight.parts[0].verdict.verdict == "undecided"
    assert "not as one of 8 parts" in of_eight.verdict.reason
    for result in (of_eight, of_two):
        against = result.parts[0].measured.p_against
        assert against == pytest.approx(0.007, abs=0.0005)
        assert result.parts[0].against_adjusted_p == pytest.approx(len(result.parts) * against)


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
        forget(path)
    (result,) = judge(record)
    assert result.claim.number == 6
    assert (result.verdict.verdict, result.parts[0].verdict.verdict) == ("undecided", "holds")
    assert result.words == "undecided: 1 of 15 parts tested"
    assert result.verdict.reason.startswith("1 of 15 parts tested; those hold; CNN-PSE-4 - CNN-MSE, validation_mse: ")
    assert {reason for _, reason in result.missing} == {"not in this run", "not complete for any seed"}
    assert (result.adjusted_p, result.family) == (None, 0)


def test_the_tested_half_of_a_claim_says_why_it_does_not_hold(tmp_path: Path) -> None:
    result = judged(tmp_path, points=2.2)[1]
    assert result.words == "undecided: 2 of 8 parts tested"
    assert result.verdict.reason == (
        "2 of 8 parts tested; CNN-PSE-3 - CNN-MSE, frozen: the effect of 2.2 in the claimed direction is below the "
        "claim; CNN-PSE-4 - CNN-MSE, finetune: not in this run"
    )


def test_a_claim_holds_only_with_all_its_parts(tmp_path: Path) -> None:
    models = (*CNN, *RESNET)
    record = store_predictions(tmp_path, study(models), likely(5), 3, lambda cell: float(cell.model.objective == "pse"))
    whole = {result.claim.number: result for result in judge(record)}
    held = {number for number, result in whole.items() if result.verdict.verdict == "holds"}
    assert held == {1, 2, 4, 6}
    for model in ("cnn-pse-6", "resnet-pse-3"):
        for path in tmp_path.glob(f"models/{model}-seed*/frozen-*/fold-2.npz"):
            forget(path)
    found = {result.claim.number: result for result in judge(record)}
    for number in held:
        assert found[number].verdict.verdict == "undecided"
        assert found[number].adjusted_p is None
        assert {part.verdict.verdict for part in found[number].parts} == {"holds"}
        total = len(whole[number].parts)
        assert len(found[number].parts) < total
        tested = f"{len(found[number].parts)} of {total} parts tested"
        assert found[number].words == f"undecided: {tested}"
        assert found[number].verdict.reason.startswith(f"{tested}; those hold; ")


def test_a_claim_fails_with_one_part_against_it(tmp_path: Path) -> None:
    result = judged(tmp_path, points=-5)[1]
    assert (result.verdict.verdict, result.words) == ("fails", "fails: 2 of 8 parts tested")
    assert (len(result.parts), len(result.missing), result.adjusted_p) == (2, 6, None)


def test_claims_without_a_part_in_the_run_are_named(tmp_path: Path) -> None:
    found = judged(tmp_path, points=5)
    assert list(found) == [1, 3, 5, 6]
    text = " ".join(render_claims([*found.values()]).split())
    assert "1 CNN: PSE beats MSE ? undecided 2 of 8" in text
    assert "2 ResNet: PSE beats MSE, 4 bandwidth matters little" in text
    nothing = judge(store_predictions(tmp_path / "begun", study(), likely(5), seeds=0))
    assert nothing == []
    assert render_claims(nothing).startswith("No claim can be tested")


def test_a_seed_counts_where_it_is_complete(tmp_path: Path) -> None:
    record = store_predictions(tmp_path, study(), likely(5), 3)
    forget(fold_path(tmp_path, evaluation="frozen", seed=1))
    result = judge(record)[0]
    assert [[of.seed for of in part.measured.by_seed] for part in result.parts] == [[0, 1, 2], [0, 2]]
    assert result.seeds == 2
    assert result.notes == (
        "interim: 2 of 3 requested seeds are complete", "seed 1 is incomplete and left out of 1 of 2 parts",
    )  # fmt: skip
    cell = next(cell for cell in record.cells if cell.seed == 1)
    store.write_json(record.files(cell).failed, {"error": "diverged"})
    assert judge(record)[0].notes == ("seed 1 is incomplete and left out of 1 of 2 parts",)


def test_labels_that_disagree_are_an_error(tmp_path: Path) -> None:
    record = store_predictions(tmp_path, study(), likely(5))
    path = fold_path(tmp_path)
    arrays = store.read_npz(path)
    store.write_npz(path, probabilities=arrays["probabilities"], labels=arrays["labels"][::-1])
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
    assert {each.claim.number for each in results} == {1, 3, 4, 5, 6}
    assert {each.family for each in results} == {3}  # claims 5 and 6 lack the parts about ResNets


def test_holm_is_over_the_claims_of_a_protocol_that_can_hold(tmp_path: Path) -> None:
    by_seed = (0.0, 0.002, -0.003)
    found = judged(tmp_path, CNN, points=1, by_seed=by_seed, frozen=2, mse=lambda cell: cell.seed)
    assert {number for number, result in found.items() if result.missing} == {5, 6}
    assert [found[number].adjusted_p for number in (5, 6)] == [None, None]
    assert {result.family for result in found.values()} == {3}
    p = {number: found[number].p_value for number in (1, 3, 4)}
    ranked = sorted(p, key=lambda number: p[number])
    by_hand = np.maximum.accumulate([min(1.0, (3 - rank) * p[number]) for rank, number in enumerate(ranked)])
    assert [found[number].adjusted_p for number in ranked] == pytest.approx(by_hand)
    assert p[1] == max(part.measured.p_value for part in found[1].parts)
    assert found[1].adjusted_p == pytest.approx(holm([*p.values()])[0])
    assert p[4] < found[4].adjusted_p


def test_an_equivalence_and_what_lacks_parts_do_not_keep_a_run_from_being_decided(tmp_path: Path) -> None:
    points = {"cnn-pse-3": 5.0, "cnn-pse-4": 5.0, "cnn-pse-5": 5.0, "cnn-pse-6": 6.4}
    found = judged(tmp_path, CNN, points=points, frozen=3)
    verdicts = {number: result.verdict.verdict for number, result in found.items()}
    assert verdicts == {1: "holds", 3: "holds", 4: "undecided", 5: "undecided", 6: "undecided"}
    assert is_decided([*found.values()])
    assert not is_decided([found[4], found[5], found[6]])


def test_what_a_part_could_find_is_judged_at_the_claims_strictest_level(tmp_path: Path) -> None:
    found = judged(tmp_path, CNN, points=1, by_seed=(0.0, 0.002, -0.003))
    for part in found[1].parts:
        minimum = part.measured.part.statement.minimum
        assert part.detectable == part.measured.difference.detectable(0.05 / 3, minimum)
        assert part.detectable > minimum
        assert part.detectable > part.measured.difference.estimate - part.measured.difference.low
    assert {part.detectable for part in found[4].parts} == {None}


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
