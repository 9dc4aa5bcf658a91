"""Measured parts: paired differences of stored predictions, with the variance over seeds pooled over models."""

from pathlib import Path

import numpy as np
import pytest

from pse_repro.claims import judge
from pse_repro.stats import mcnemar, paired_difference, pooled_variance
from pse_repro.study.cells import Cell
from pse_repro.study.predictions import Predictions
from pse_repro.study.record import Run
from tests.support.finished_run import forget
from tests.support.judged import CNN, IMAGES, RESNET, judged
from tests.support.stored_predictions import store_predictions, study

SEEDS = range(3)


def correct(run: Path, model: str, evaluation: str) -> np.ndarray:
    """Return the correctness (S, N) of a model's ensembles."""
    stored = Predictions(Run.open(run))
    return np.array([stored.correct("as-released", model, evaluation, seed).ensemble_N for seed in SEEDS])


def test_a_part_is_the_paired_difference_of_stored_predictions(tmp_path: Path) -> None:
    found = judged(tmp_path, points=2, by_seed=(0.0, 0.01, -0.005))
    part = found[1].parts[1].measured
    a, b = (correct(tmp_path, model, "frozen") for model in ("cnn-pse-3", "cnn-mse"))
    assert part.difference == paired_difference(a, b, generator=np.random.default_rng(0))  # two models: nothing to pool
    assert [of.mcnemar for of in part.by_seed] == [mcnemar(a[seed], b[seed]) for seed in SEEDS]


def test_the_variance_over_seeds_is_pooled_over_the_models_that_are_complete(tmp_path: Path) -> None:
    """CNN-MSE and CNN-PSE-3 vary least; frozen, a seed of ResNet-PSE-3 is missing."""

    def varied(cell: Cell, evaluation: str, fold: int) -> np.ndarray:
        own = np.random.default_rng([len(cell.model.name), int(cell.model.sigma or 0), len(evaluation), cell.seed])
        spread = 0.003 if cell.model.name in ("cnn-mse", "cnn-pse-3") else 0.02
        return np.arange(IMAGES) < (0.4 + own.normal(0, spread)) * IMAGES + fold

    names = [model.name for model in (*CNN, *RESNET)]
    record = store_predictions(tmp_path, study((*CNN, *RESNET)), varied, len(SEEDS))
    forget(next(tmp_path.glob("models/resnet-pse-3-seed1-*/frozen-*/fold-2.npz")))
    found = {result.claim.number: result for result in judge(record)}
    finetuned = {name: correct(tmp_path, name, "finetune") for name in names}
    frozen = {name: correct(tmp_path, name, "frozen") for name in names[:-1]}
    gains = {name: 1.0 * frozen[name] - finetuned[name] for name in frozen}
    for number, place, by_model_SN in ((1, 0, finetuned), (1, 4, frozen), (3, 0, gains)):
        part = found[number].parts[place].measured
        pooled = pooled_variance([100 * correct_SN.mean(axis=1) for correct_SN in by_model_SN.values()])
        assert pooled is not None
        assert pooled.value > np.var([of.difference for of in part.by_seed], ddof=1)
        a, b = by_model_SN["cnn-pse-3"], by_model_SN["cnn-mse"]
        expected = paired_difference(a, b, generator=np.random.default_rng(0), pooled=pooled)
        assert (part.difference.low, part.difference.high) == pytest.approx((expected.low, expected.high))


def test_the_gain_of_an_ensemble_over_its_members_pools_nothing(tmp_path: Path) -> None:
    part = judged(tmp_path, CNN, points=2)[5].parts[1].measured
    assert part.difference.errors[0].df == len(SEEDS) - 1
