"""Tolerances: their form, and the spreads of the published tables that they state."""

import math
from collections.abc import Hashable
from pathlib import Path

import pytest

from pse_repro import expected
from pse_repro.expected import Tolerance, load_expected


def test_every_tolerance_is_positive_and_has_a_reason() -> None:
    for name in expected.names():
        for tolerance in load_expected(name).tolerances.values():
            assert (tolerance.value > 0) != (tolerance.sd > 0)
            assert 0 < tolerance.at(1) < math.inf
            assert 0 <= tolerance.row_sd <= tolerance.sd
            assert len(tolerance.reason) > 20


def test_a_tolerance_narrows_with_the_seeds_of_both_sides_unless_it_is_fixed() -> None:
    tolerance = Tolerance("a spread", sd=0.5)
    assert tolerance.at(1) == pytest.approx(1.96 * 0.5 * math.sqrt(2))
    assert tolerance.at(4) == tolerance.at(1, other=4) == pytest.approx(1.96 * 0.5 * math.sqrt(1.25))
    assert tolerance.at(4, other=4) == pytest.approx(tolerance.at(1) / 2)
    fixed = Tolerance("fixed", value=0.06)
    assert fixed.at(1) == fixed.at(9, other=9) == 0.06


def place(encoder: str, evaluation: str, fold: str, metric: str) -> dict[Hashable, str]:
    return {"encoder": encoder, "evaluation": evaluation, "fold": fold, "metric": metric}


@pytest.mark.parametrize(
    ("encoder", "evaluation", "ensemble", "fold"),
    [
        ("cnn", "finetune", [0.45, 0.4, 0.25], [0.72, 0.014, None]),
        ("cnn", "frozen", [0.5, 0.58, 0.55], [0.65, 0.009, None]),
        ("resnet", "finetune", [0.45, 0.4, 0.25], [0.72, 0.012, None]),
        ("resnet", "frozen", [0.67, 0.78, 0.74], [1.27, 0.021, None]),
    ],
)
def test_spreads_of_ensembles_and_folds(
    encoder: str, evaluation: str, ensemble: list[float], fold: list[float | None]
) -> None:
    def sd(fold: str, metric: str) -> float | None:
        tolerance = load_expected("slides").tolerance(place(encoder, evaluation, fold, metric))
        return None if tolerance is None else tolerance.sd

    assert [sd("ensemble", metric) for metric in ("top1", "top2", "top4")] == ensemble
    assert [sd("3", metric) for metric in ("top1", "loss", "best_epoch")] == fold


@pytest.mark.parametrize(
    ("name", "encoder", "evaluation", "metric", "said"),
    [
        ("slides", "cnn", "finetune", "top1", "0.65 "),
        ("slides", "cnn", "finetune", "loss", "0.013;"),
        ("slides", "cnn", "frozen", "top1", "0.52;"),
        ("released_logs", "cnn", "frozen", "loss", "0.0076;"),
        ("slides", "resnet", "finetune", "top1", "0.65 "),
        ("slides", "resnet", "finetune", "loss", "0.011;"),
        ("slides", "resnet", "frozen", "top1", "1.20;"),
        ("released_logs", "resnet", "frozen", "loss", "0.021 "),
        ("initial", "cnn", "finetune", "top1", "1.10 "),
        ("initial", "resnet", "finetune", "top1", "1.57 "),
    ],
)
def test_the_spread_of_a_fold_is_that_of_the_published_folds_and_of_their_row(
    name: str, encoder: str, evaluation: str, metric: str, said: str
) -> None:
    table = load_expected(name)
    of = table.frame.query("encoder == @encoder and evaluation == @evaluation and metric == @metric")
    rows = of[of["fold"] != "ensemble"].groupby(["objective", "sigma"])["value"]
    assert set(rows.size()) == {5}
    pooled, tolerance = math.sqrt(rows.var().mean()), table.tolerance(place(encoder, evaluation, "1", metric))
    assert tolerance is not None
    assert f": {said}" in tolerance.reason
    assert float(said[:-1]) == round(pooled, len(said) - 3)
    # rounded to two digits or up; the CNN's frozen loss to 0.009
    assert tolerance.sd == pytest.approx(math.hypot(pooled, tolerance.row_sd), rel=0.06)


@pytest.mark.parametrize("metric", ["top1", "top2", "top4"])
@pytest.mark.parametrize("evaluation", ["finetune", "frozen"])
def test_the_spread_of_an_ensemble_covers_that_of_four_bandwidths(evaluation: str, metric: str) -> None:
    table = load_expected("slides")
    of = table.frame.query("encoder == 'cnn' and objective == 'pse' and fold == 'ensemble' and metric == @metric")
    published = of[of["evaluation"] == evaluation]["value"]
    tolerance = table.tolerance(place("cnn", evaluation, "ensemble", metric))
    assert tolerance is not None
    assert len(published) == 4
    assert f"CNN-PSE-3 to CNN-PSE-6: {published.std():.2f}" in tolerance.reason
    assert tolerance.sd > published.std() - 0.02


def test_every_published_score_has_a_tolerance() -> None:
    for name in ("slides", "released_logs", "initial"):
        table = load_expected(name)
        for row in table.frame.to_dict("records"):
            assert (table.tolerance(row) is None) == (row["metric"] == "best_epoch")


@pytest.mark.parametrize(
    ("encoder", "fold", "value"),
    [("cnn", "ensemble", 1), ("cnn", "2", 2), ("resnet", "ensemble", 3), ("resnet", "2", 4)],
)
def test_the_most_specific_tolerance_applies(tmp_path: Path, encoder: str, fold: str, value: float) -> None:
    (tmp_path / "tables.toml").write_text(
        '[one]\nfile = "one.csv"\ntitle = ""\nauthor = ""\ndate = ""\nurl = ""\nconditions = {}\n'
    )
    (tmp_path / "one.csv").write_text("encoder,objective,sigma,evaluation,fold,metric,value\ncnn,mse,,knn,1,top1,9\n")
    entries = {
        **{"one.cnn.knn.top1.ensemble": 1, "default.cnn.knn.top1": 2, "one.any.knn.top1.ensemble": 3},
        **{"one.any.knn.top1": 4, "default.any.knn.top1": 5, "default.cnn.knn.top1.ensemble": 6},
    }
    text = "".join(f'[{name}]\nvalue = {number}\nreason = "r"\n' for name, number in entries.items())
    (tmp_path / "tolerances.toml").write_text(text)
    tolerance = load_expected("one", folder=tmp_path).tolerance(place(encoder, "knn", fold, "top1"))
    assert tolerance is not None
    assert tolerance.value == value
