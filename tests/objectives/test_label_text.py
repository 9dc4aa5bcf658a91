"""Labelled images with their classes' names: UniCL's loss on them, and the names as the classes asked for."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pse_repro.data.stl10 import CLASS_NAMES
from pse_repro.objectives.label_text import LabelText
from pse_repro.objectives.shared.text import softmax_loss
from tests.support.few_steps import assert_falls, assert_reaches_all, drawn_batch, fresh
from tests.support.labelled import setup
from tests.support.tiny import dataset

DATA = dataset()


def test_a_class_is_a_photo_of_its_name() -> None:
    objective = LabelText(setup(DATA))
    assert len(objective.words_TV) == 10
    for name, words_V in zip(CLASS_NAMES, objective.words_TV.tolist(), strict=True):
        found = {word: share for word, share in zip(objective.vocabulary, words_V, strict=True) if share}
        assert found == pytest.approx({"a": 0.4, "photo": 0.2, "of": 0.2, name: 0.2})
    (question,) = objective.questions().values()
    assert question.words_KTV.shape == (10, 1, len(objective.vocabulary))
    np.testing.assert_array_equal(question.answers_N, DATA.test.targets)


def test_classes_without_names_of_their_own_are_told_apart() -> None:
    objective = LabelText(setup(replace(DATA, name="photographs")))
    assert "class" in objective.vocabulary
    assert len(objective.words_TV.unique(dim=0)) == 10


@pytest.mark.usefixtures("tiny_models")
def test_images_of_one_class_are_all_positives() -> None:
    objective = LabelText(setup(DATA))
    network = fresh(objective).eval()
    images, labels = objective.images.held_out(torch.arange(8))
    logits = network.logits(network(images), network.text(objective.words_TV)[labels]).detach()
    found = objective.measures(network, drawn_batch(8, training=False))
    expected = float(softmax_loss(logits, labels[:, None] == labels))
    assert float(found["loss"].detach()) == pytest.approx(expected, rel=1e-5)


def test_the_gradient_reaches_every_parameter() -> None:
    objective = LabelText(setup(DATA))
    network = fresh(objective)
    assert_reaches_all(network, objective.loss(network, drawn_batch(4)))


@pytest.mark.usefixtures("tiny_models")
def test_the_loss_falls() -> None:
    objective = LabelText(setup(DATA))
    network = fresh(objective)
    torch.manual_seed(0)
    assert_falls(objective, network, drawn_batch, 40)
