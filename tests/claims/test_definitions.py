"""The claims as data, against the slides' own numbers."""

from pathlib import Path

import numpy as np
import pytest

from pse_repro.claims import Part, definitions, load_claims
from pse_repro.errors import UsageError
from pse_repro.expected import FOLDER, load_expected

CLAIMS = {claim.number: claim for claim in load_claims()}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('kind = "gain"', 'kin = "gain"', "gain-larger-frozen: statements 1: unknown key 'kin'; expected kind, why"),
        ('kind = "gain"', 'kind = "gian"', "statements 1: kind is 'gian'; expected one of difference, gain"),
        ('short = "gain larger', 'shot = "gain larger', "claims.toml, gain-larger-frozen: unknown key 'shot'"),
        ("margin = 1.5", 'margin = "1.5"', "statements 1: margin is '1.5'; expected a number"),
    ],
)
@pytest.mark.usefixtures("claims_of_tmp_path")
def test_a_typing_mistake_is_refused_by_its_key(tmp_path: Path, old: str, new: str, expected: str) -> None:
    text = (FOLDER / "claims.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "claims.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_claims()
    assert expected in str(caught.value)


def slides() -> dict[tuple[str, str, str], float]:
    frame = load_expected("slides").frame
    top1 = frame[frame["metric"] == "top1"].to_dict("records")
    return {
        ("-".join(filter(None, (row["encoder"], row["objective"], row["sigma"]))), row["evaluation"], row["fold"]): row[
            "value"
        ]
        for row in top1
    }


def published(part: Part) -> float:
    table = slides()
    terms = [(term, sign) for terms, sign in ((part.plus, 1), (part.minus, -1)) for term in terms]
    value = 0.0
    for term, sign in terms:
        folds = map(str, range(1, 6)) if term.members else ["ensemble"]
        value += sign * float(np.mean([table[term.model, term.evaluation, fold] for fold in folds]))
    return value


def test_published_effects_are_those_of_the_slides() -> None:
    parts = [part for claim in CLAIMS.values() for part in claim.parts() if part.statement.metric == "top1"]
    assert len(parts) == 8 + 2 + 4 + 12 + 14 + 10
    assert [part.published for part in parts] == [pytest.approx(published(part), abs=0.005) for part in parts]


def test_published_errors_are_those_of_the_curves() -> None:
    mse = {"cnn-mse": 81, "cnn-pse-3": 85, "cnn-pse-4": 85, "cnn-pse-5": 87, "cnn-pse-6": 87}  # 1e-4, off the plots
    mse |= {"resnet-mse": 40, "resnet-pse-3": 46}
    for part in CLAIMS[6].parts()[:5]:
        assert part.published == pytest.approx((mse[part.plus[0].model] - mse[part.minus[0].model]) * 1e-4)


def test_the_study_makes_its_own_claims() -> None:
    for claim in CLAIMS.values():
        assert claim.title.endswith(".")
        assert len(claim.statements[0].why) > 10
        for part in claim.parts():
            assert part.published is not None
            bounds = part.statement
            assert abs(part.published) < bounds.margin if bounds.margin else part.published > bounds.minimum, part.name
    assert [len(claim.parts()) for claim in CLAIMS.values()] == [8, 2, 4, 12, 14, 15]


def test_bounds_lie_where_their_reasons_say() -> None:
    gains = [part.published for part in CLAIMS[1].parts()]
    spread = [abs(part.published or 0) for part in CLAIMS[4].parts()]
    margin = CLAIMS[4].statements[0].margin
    assert margin is not None
    assert max(spread) < margin < min(gain for gain in gains if gain)
    assert f"{min(gains)} points" in CLAIMS[4].statements[0].why  # type: ignore[type-var]
    assert f"{max(spread[:6])} points fine-tuned and {max(spread[6:])} frozen" in CLAIMS[4].statements[0].why


def test_a_minimum_is_half_of_the_smallest_published_gain() -> None:
    minimums = {}
    for claim in CLAIMS.values():
        for statement in claim.statements:
            if statement.kind in ("difference", "gain") and statement.metric == "top1":
                smallest = min(statement.published)
                minimums[claim.number, statement.pairs[0][0], statement.evaluations[0]] = statement.minimum
                assert statement.minimum == round(smallest / 2, 1)
                assert f"{smallest} points" in statement.why or statement.why.startswith("As for claim ")
    own = {(1, "cnn-pse-3", "finetune"): 0.9, (1, "cnn-pse-3", "frozen"): 2.6, (2, "resnet-pse-3", "finetune"): 1.0}
    as_claims_1_and_2 = {(6, model, evaluation): minimum for (_, model, evaluation), minimum in own.items()}
    assert minimums == own | as_claims_1_and_2 | {(3, "cnn-pse-3", "frozen"): 1.7}


def test_two_released_ensembles_of_one_model_differ_by_less_than_a_minimum() -> None:
    logged = load_expected("released_logs").frame
    found = logged.query("objective == 'mse' and evaluation == 'finetune' and fold == 'ensemble' and metric == 'top1'")
    apart = found["value"].item() - 48.6625
    statement = CLAIMS[1].statements[0]
    assert f"differ by {apart:.2f}." in statement.why
    assert apart < statement.minimum


def test_the_spread_of_a_part_is_that_of_four_bandwidths() -> None:
    """Where it is given: parts about CNN-PSE-3 to CNN-PSE-6, of which only the bandwidth differs."""
    gains = [part.published for part in CLAIMS[5].parts()]
    finetuned, frozen = (float(np.std(gains[first : first + 4], ddof=1)) for first in (1, 8))
    assert frozen < finetuned < CLAIMS[5].statements[0].sd < 1.5 * finetuned
    errors = [part.published for part in CLAIMS[6].parts()[:4]]
    spread = float(np.std(errors, ddof=1))  # of differences from one baseline, without its own spread
    assert CLAIMS[6].statements[0].sd == pytest.approx(spread * 2**0.5, rel=0.05)


def test_what_is_remarked_is_on_the_slides() -> None:
    table = slides()
    for evaluation, words in (("finetune", "best fine-tuned is"), ("frozen", "the best frozen")):
        best = max((f"cnn-pse-{sigma}" for sigma in range(3, 7)), key=lambda m: table[m, evaluation, "ensemble"])
        assert f"{words} {definitions.shown(best)}" in CLAIMS[4].remark
    above = [key for key, value in table.items() if value > table[*key[:2], "ensemble"]]
    assert f"{len(above)} of {len(table) - 14} members" in CLAIMS[5].remark
    for model, evaluation, fold in above:
        numbers = f"({table[model, evaluation, fold]:.2f} against {table[model, evaluation, 'ensemble']:.2f})"
        assert f"{definitions.shown(model)}, {evaluation}, fold {fold} {numbers}" in CLAIMS[5].remark
