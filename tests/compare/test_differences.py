"""PSE minus MSE, against the published differences."""

import numpy as np
import pandas as pd
import pytest

from pse_repro.compare.differences import Difference
from pse_repro.compare.join import compare
from tests.support.published import SLIDES, published

PUBLISHED = {
    ("cnn", "3", "finetune"): 2.30, ("cnn", "4", "finetune"): 2.47, ("cnn", "5", "finetune"): 2.56,
    ("cnn", "6", "finetune"): 1.77, ("cnn", "3", "frozen"): 5.90, ("cnn", "4", "frozen"): 6.37,
    ("cnn", "5", "frozen"): 6.01, ("cnn", "6", "frozen"): 5.15, ("resnet", "3", "finetune"): 2.05,
    ("resnet", "3", "frozen"): 2.31,
}  # fmt: skip


def run(share: float, seeds: int = 1, sd: float = 0.1) -> pd.DataFrame:
    """Return a run in which PSE has `share` of its published gain over MSE; seeds vary by `sd` points."""
    random, frame = np.random.default_rng(4), published("slides")
    keys = ["encoder", "evaluation", "fold", "metric"]
    mse = frame[frame["objective"] == "mse"].set_index(keys)["value"]
    baseline = mse.loc[list(map(tuple, frame[keys].to_numpy().tolist()))].to_numpy()
    value = baseline + share * (frame["value"].to_numpy() - baseline)
    tables = [frame.assign(value=value + sd * random.standard_normal(len(frame)), seed=seed) for seed in range(seeds)]
    return pd.concat(tables, ignore_index=True)


def differences(frame: pd.DataFrame) -> dict[tuple[str, str, str], Difference]:
    return {(each.encoder, each.sigma, each.evaluation): each for each in compare(frame, SLIDES).differences}


def test_the_ten_published_differences_are_the_slides() -> None:
    found = differences(published("slides"))
    assert {place: each.expected for place, each in found.items()} == pytest.approx(PUBLISHED)
    assert all(each.measured == pytest.approx(each.expected) and each.seeds == 1 for each in found.values())
    assert {each.verdict for each in found.values()} == {"within"}


def test_one_run_that_fits_no_effect_as_well_does_not_discriminate() -> None:
    found = differences(run(1.0, sd=0))
    assert not found["resnet", "3", "frozen"].discriminates  # 2.31, and its tolerance is 2.63
    assert found["cnn", "3", "frozen"].discriminates
    assert abs(found["resnet", "3", "frozen"].measured) <= found["resnet", "3", "frozen"].tolerance


@pytest.mark.parametrize("seeds", [3, 8])
def test_from_three_seeds_on_large_effects_are_told_apart(seeds: int) -> None:
    right, nothing = differences(run(1.0, seeds)), differences(run(0.0, seeds))
    for place in [place for place in PUBLISHED if place[0] == "cnn" and place[2] == "frozen"]:
        assert right[place].verdict == "reproduced", place
        assert nothing[place].verdict == "not reproduced", place


def test_the_published_noise_keeps_small_effects_undecided() -> None:
    """Without the noise of the published runs, an effect of 1.77 points would count as reproduced to within half."""
    found = differences(run(1.0, seeds=20))["cnn", "6", "finetune"]
    assert (found.verdict, found.discriminates) == ("undecided", None)
    assert found.high - found.low < found.expected / 2
    assert not found.decidable


def test_three_of_the_published_differences_are_too_noisy_for_any_number_of_seeds() -> None:
    found = differences(run(1.0, seeds=3))
    noisy = {("cnn", "6", "finetune"), ("resnet", "3", "finetune"), ("resnet", "3", "frozen")}
    assert {place for place, each in found.items() if not each.decidable} == noisy


def test_seeds_of_one_loss_alone_do_not_count() -> None:
    frame = run(1.0, seeds=4)
    frame = frame[(frame["objective"] == "pse") | (frame["seed"] < 2)]
    assert {each.seeds for each in differences(frame).values()} == {2}


def test_other_conditions_have_no_difference() -> None:
    assert not compare(published("slides").assign(data="photographs"), SLIDES).differences
