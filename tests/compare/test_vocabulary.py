"""Words of a table: those of the kit's own runs are recognised, other spellings are reported."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pse_repro.compare.vocabulary import known_rows
from pse_repro.evaluation.baselines import BASELINES
from pse_repro.expected import load_expected
from pse_repro.run.baselines import BaselineRun
from pse_repro.run.cell import CellRun
from pse_repro.study.load import load_study, study_protocols
from pse_repro.tables import as_table
from tests.support.tiny import cell, context, protocol

SLIDES = load_expected("slides")
CELL = {"encoder": "cnn", "objective": "mse", "sigma": "", "evaluation": "finetune", "fold": "ensemble"}
ROW = CELL | {"protocol": "as-released", "metric": "top1", "value": 48.96}


def told(**words: str) -> list[str]:
    """Return the unrecognised words of a table with one valid row and one with these words."""
    rows, unknown = known_rows(as_table(pd.DataFrame([ROW, ROW | {"seed": "1"} | words])), SLIDES)
    assert len(rows) == 2 - bool(unknown)
    return [str(each) for each in unknown]


@pytest.mark.parametrize(
    ("column", "word", "said"),
    [
        ("metric", "Top-1", "expected top1, top2, top4, loss (did you mean top1?)"),
        ("metric", "TOP1", "(did you mean top1?)"),
        ("metric", "acc", "(did you mean top1?)"),
        ("metric", "Accuracy", "(did you mean top1?)"),
        ("metric", "accuracy", "(did you mean top1?)"),  # the kit has it, of clusters alone
        ("metric", "top5", "expected top1, top2, top4, loss"),
        ("encoder", "CNN", "expected cnn, resnet (did you mean cnn?)"),
        ("objective", "MSE", "expected mse, pse (did you mean mse?)"),
        ("evaluation", "fine-tuning", "expected finetune, frozen (did you mean finetune?)"),
        ("fold", "Ensemble", "expected ensemble, 1, 2, 3, 4, 5 (did you mean ensemble?)"),
        ("fold", "mean", "expected ensemble, 1, 2, 3, 4, 5"),
        ("protocol", "As_Released", "expected as-released (did you mean as-released?)"),
        ("protocol", "AsDescribed", "expected as-released (did you mean as-described?)"),
    ],
)
def test_a_word_that_is_not_known_is_told_with_what_it_may_mean(column: str, word: str, said: str) -> None:
    (line,) = told(**{column: word})
    assert line.startswith(f"{column} is {word!r}; ")
    assert line.endswith(said)


@pytest.mark.parametrize(
    "words",
    [
        {"protocol": "mine"},
        {"objective": "deepcluster+without-test"},
        {"protocol": "as-released+7"},
        {"protocol": "as-described"},
        {"encoder": "residual"},
        {"objective": "jigsaw-1000-far"},
        {"fold": "7"},
        {"evaluation": "cluster", "fold": "", "metric": "accuracy"},
        {"evaluation": "pretrain", "fold": "", "metric": "validation_anything"},
    ],
)
def test_what_the_kit_has_and_the_slides_have_not_is_known(words: dict[str, str]) -> None:
    assert told(**words) == []


def test_accuracy_is_a_measure_of_clusters_and_else_top1() -> None:
    assert told(metric="Accuracy")[0].endswith("(did you mean top1?)")
    assert told(metric="Accuracy", evaluation="cluster", fold="")[0].endswith("(did you mean accuracy?)")


def test_each_word_is_told_once_with_its_rows() -> None:
    frame = pd.DataFrame([ROW | {"seed": seed, "metric": metric} for seed in (0, 1) for metric in ("acc", "top1")])
    rows, (unknown,) = known_rows(as_table(frame.assign(encoder=["CNN", "cnn", "cnn", "cnn"]).iloc[1:]), SLIDES)
    assert (unknown.column, unknown.word, unknown.rows, len(rows)) == ("metric", "acc", 1, 2)
    assert len(known_rows(as_table(frame.assign(encoder="CNN")), SLIDES)[1]) == 2
    assert rows.attrs["assumed"]["data"] == "stl10"


@pytest.mark.parametrize("name", ["slides", "initial", "released_logs", "smoke", "smoke-objectives"])
def test_every_published_table_is_known(name: str) -> None:
    frame = as_table(load_expected(name).frame)
    assert known_rows(frame, SLIDES)[1] == ()


@pytest.mark.usefixtures("tiny_models", "no_pictures")
def test_whatever_a_run_measures_is_known(tmp_path: Path) -> None:
    """Use ten epochs and the classes of the embedded sample, so that clustering yields all its metrics."""
    of = replace(cell(epochs=10), evaluations=("frozen", "knn", "cluster"))
    found = [CellRun(of, context(tmp_path)).run()]
    found += [BaselineRun(name, protocol(), 2, context(tmp_path)).rows() for name in BASELINES]
    table = as_table(pd.concat(found))
    assert set(table["metric"]) >= {"top1", "nmi", "error_rank_correlation", "feature_std", "validation_mse"}
    assert known_rows(table, SLIDES)[1] == ()


@pytest.mark.parametrize("study", ["full", "objectives", "switches"])
def test_every_model_of_the_kit_s_studies_is_known(study: str) -> None:
    loaded = load_study(study)
    for of in study_protocols(loaded):
        for model in loaded.models:
            sigma = "" if model.sigma is None else str(model.sigma)
            assert told(protocol=of.name, encoder=model.encoder, objective=model.objective, sigma=sigma) == []
