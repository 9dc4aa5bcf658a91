"""The search for settings: the study of its tries, and the study with the best of them."""

from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.config.study import Model, OptimizerSettings, Study, Subset, Tried, Tuning
from pse_repro.errors import UsageError
from pse_repro.study.load import build_study, load_study
from pse_repro.study.tuning import best_try, search_of, tries_of, tuned

TUNING = Tuning((OptimizerSettings(learning_rate=0.5), OptimizerSettings(clip=0.0)), held_out=0.25, evaluation="knn")
MODELS = (Model("cnn", "random"), Model("cnn", "mse", batch_size=4, clip=2.0), Model("cnn", "pse", 3.0, label="own"))
STUDY = Study("mine", "reduced", "paper", 1, MODELS, baselines=("pixels",), subset=Subset(test=9), tuning=TUNING)


def test_every_trained_model_has_as_many_tries_on_held_out_images() -> None:
    search = search_of(STUDY, TUNING)
    assert search.models == (
        Model("cnn", "mse", batch_size=4, clip=2.0, learning_rate=0.5, label="try-1"),
        Model("cnn", "mse", batch_size=4, clip=0.0, label="try-2"),
        Model("cnn", "pse", 3.0, learning_rate=0.5, label="own-try-1"),
        Model("cnn", "pse", 3.0, clip=0.0, label="own-try-2"),
    )
    assert (search.name, search.evaluations, search.baselines) == ("mine-search", ("knn",), ())
    assert search.subset == Subset(test=9, held_out=0.25)
    assert replace(search, name="mine", models=MODELS, evaluations=STUDY.evaluations, baselines=STUDY.baselines) == (
        replace(STUDY, subset=search.subset, tuning=None)
    )


@given(scores=st.lists(st.none() | st.floats(0, 100), min_size=2, max_size=2))
def test_the_best_try_is_the_first_with_the_highest_score(scores: list[float | None]) -> None:
    found = [Tried("cnn-mse", number, score, 1.0) for number, score in enumerate(scores, 1)]
    others = [Tried("cnn-pse+own-3", 1, 1000.0, 1.0)]
    best, reached = best_try(MODELS[1], [*others, *found]), [score for score in scores if score is not None]
    assert (best is None) == (not reached)
    if best:
        assert best.score == max(reached)
        assert scores.index(best.score) == best.number - 1


def test_a_study_keeps_its_models_and_gets_those_with_the_best_settings() -> None:
    found = [Tried("cnn-mse", 1, None, 1.0), Tried("cnn-mse", 2, 9.0, 2.0), Tried("cnn-pse+own-3", 1, None, 3.0)]
    study = tuned(STUDY, TUNING, found)
    best = replace(tries_of(MODELS[1], TUNING)[1], label="tuned")
    assert study.models == (*MODELS, best)  # every try of the other failed
    assert (best.clip, best.batch_size) == (0.0, 4)
    assert study.tuning == replace(TUNING, found=tuple(found))
    assert build_study(asdict(study), "record") == study


def test_the_built_in_search_is_equal_for_all() -> None:
    study = load_study("tuned")
    assert study.tuning is not None
    search = search_of(study, study.tuning)
    counts = {objective: [model.objective for model in search.models].count(objective) for objective in ("mse", "moco")}
    assert counts["mse"] == len(study.tuning.tries) == len(search.models) / len(study.models)
    assert {tries_of(model, study.tuning)[0].learning_rate for model in study.models} == {3e-4}


@pytest.mark.parametrize("name", ["quick", "objectives-small"])
def test_other_studies_have_no_search(name: str) -> None:
    assert load_study(name).tuning is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "x" * 95}, "name is"),
        ({"models": [{"encoder": "cnn", "objective": "mse", "label": "x" * 37}]}, "label is"),
        (
            {
                "models": [
                    {"encoder": "cnn", "objective": "mse"},
                    {"encoder": "cnn", "objective": "mse", "label": "tuned"},
                ]
            },
            "each once",
        ),
        ({"tuning": {"tries": [{"batch_size": 8}]}}, "a try has a batch_size"),
    ],
    ids=["the search's name", "a try's label", "a model that is there", "a batch without a budget"],
)
def test_what_a_search_would_add_is_refused_before_it_begins(changed: dict[str, Any], said: str) -> None:
    table = {"name": "mine", "scale": "reduced", "expected": "paper", "epochs": 2}
    table |= {"models": [{"encoder": "cnn", "objective": "mse"}], "tuning": {"tries": [{"learning_rate": 1e-3}]}}
    assert build_study(table, "mine").tuning
    with pytest.raises(UsageError, match=said):
        build_study(table | changed, "mine")
