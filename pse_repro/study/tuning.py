"""Search for the settings of a study's models: the study of its tries, and the study with what they have found.

The search is a run of its own, beside the study's: a model with a label for each try, judged on held-out labelled
images. So it is resumed, recorded and verified like every run.
"""

from collections.abc import Sequence
from dataclasses import replace

from pse_repro.config.study import Model, Study, Tried, Tuning
from pse_repro.objectives import OBJECTIVES

TUNED = "tuned"  # label of the models with the settings found


def tries_of(model: Model, tuning: Tuning) -> list[Model]:
    """Return the model with the settings of each try; none if it is not trained."""
    if not OBJECTIVES[model.objective].trains:
        return []
    return [
        replace(model, label=_label(model, f"try-{number}"), **settings.given)  # type: ignore[arg-type]
        for number, settings in enumerate(tuning.tries, 1)
    ]


def search_of(study: Study, tuning: Tuning) -> Study:
    """Return the study of all tries of all models."""
    return replace(
        study,
        name=f"{study.name}-search",
        models=tuple(each for model in study.models for each in tries_of(model, tuning)),
        evaluations=(tuning.evaluation,),
        baselines=(),
        subset=replace(study.subset, held_out=tuning.held_out),
        tuning=None,
    )


def tuned(study: Study, tuning: Tuning, found: Sequence[Tried]) -> Study:
    """Return the study of its models as they are and, labelled, with the settings of the best try of each."""
    best = [model for each in study.models if (model := _best(each, tuning, found))]
    return replace(study, models=(*study.models, *best), tuning=replace(tuning, found=tuple(found)))


def best_try(model: Model, found: Sequence[Tried]) -> Tried | None:
    """Return the try with the highest score, the first of several; None if all failed or there are none."""
    scored = [each for each in found if each.model == model.name and each.score is not None]
    return max(scored, key=lambda each: each.score or 0.0, default=None)


def _best(model: Model, tuning: Tuning, found: Sequence[Tried]) -> Model | None:
    best = best_try(model, found)
    return replace(tries_of(model, tuning)[best.number - 1], label=tuned_label(model)) if best else None


def tuned_label(model: Model) -> str:
    """Return the label of the model with the settings found."""
    return _label(model, TUNED)


def _label(model: Model, word: str) -> str:
    return f"{model.label}-{word}" if model.label else word
