"""The chance level that an objective states for its pretext task, against the answers that the task has."""

import pytest
import torch

from pse_repro.objectives import OBJECTIVES, Batch
from pse_repro.objectives.pirl import PIRL
from pse_repro.objectives.shared.pretext import Pretext
from pse_repro.objectives.shared.views import TwoViews, similarities
from tests.support.tiny import setup

pytestmark = pytest.mark.usefixtures("tiny_models")
IMAGES = 8  # of a batch, as in the setup


def batch() -> Batch:
    return Batch(torch.rand(IMAGES, 3, 96, 96), torch.arange(IMAGES), False, 0.0)


@pytest.mark.parametrize("name", [name for name, variant in OBJECTIVES.items() if issubclass(variant.kind, Pretext)])
def test_a_classification_has_as_many_answers_as_its_chance_level_says(name: str) -> None:
    objective = OBJECTIVES[name].build(setup())
    assert isinstance(objective, Pretext)
    logits, classes = objective.classified(objective.network(), torch.rand(IMAGES, 3, 96, 96))
    assert objective.chance == pytest.approx(100 / logits.shape[1])
    assert 0 <= classes.min() <= classes.max() < logits.shape[1]


VIEWS = [name for name, variant in OBJECTIVES.items() if issubclass(variant.kind, TwoViews)]


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_sought_among_as_many_as_the_chance_level_says(name: str) -> None:
    objective = OBJECTIVES[name].build(setup())
    assert isinstance(objective, TwoViews)
    views_VD = objective.compared(objective.network(), batch())[1]
    assert objective.chance == pytest.approx(100 / int(similarities(views_VD)[0].isfinite().sum()))


def test_an_image_is_sought_among_as_many_as_the_chance_level_says() -> None:
    objective = OBJECTIVES["pirl-rotation"].build(setup())
    assert isinstance(objective, PIRL)
    answers = objective._similarities(objective.network(), batch())[1]
    assert objective.chance == pytest.approx(100 / int(answers[0].isfinite().sum()))


@pytest.mark.parametrize(
    ("name", "chance"),
    [
        ("supervised", 10),
        ("joint-mse", 10),
        ("rotation-ae", 25),
        ("deepcluster", 20),
        ("mse", None),
        ("colorize", None),
    ],
)
def test_other_levels_are_one_in_so_many_or_unknown(name: str, chance: float | None) -> None:
    assert OBJECTIVES[name].build(setup()).chance == chance
