"""Images with their captions: which are drawn, with which captions, and what is asked about the test images."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from pse_repro.data.captions import SHAPE, TONE, VOCABULARY, captions, codes_of, is_held_out
from pse_repro.data.stl10 import Split
from pse_repro.errors import NotFitError
from pse_repro.models import ENCODERS
from pse_repro.objectives import Batch
from pse_repro.objectives.image_text import ImageText
from pse_repro.objectives.shared.text import sigmoid_loss, softmax_loss
from tests.support.few_steps import assert_falls, assert_reaches_all, drawn_batch, fresh
from tests.support.tiny import dataset, setup

CODES = codes_of(dataset().unlabeled, "unlabeled")
PLACES = {
    hashlib.sha256(image.swapaxes(1, 2).tobytes()).digest(): place
    for place, image in enumerate(dataset().unlabeled.stored_NCWH)
}


def places(images: Tensor) -> list[int]:
    """Return the images' places in the file, by their content."""
    pixels = (255 * images).round().byte().contiguous().numpy()
    return [PLACES[hashlib.sha256(image.tobytes()).digest()] for image in pixels]


def sentence(words_V: Tensor) -> set[str]:
    return {word for word, share in zip(VOCABULARY, words_V.tolist(), strict=True) if share}


def test_drawn_images_have_their_own_captions_and_no_held_out_combination() -> None:
    objective = ImageText(setup())
    objective.images.augment = None
    torch.manual_seed(0)
    parts = [objective.images.draw(500), objective.images.held_out(torch.arange(100))]
    drawn, held_out = (set(places(images)) for images, _ in parts)
    assert not drawn & held_out
    assert drawn | held_out == set(np.flatnonzero(~is_held_out(CODES)).tolist())
    for images, numbers in parts:
        for place, words_V in zip(places(images), objective.words_TV[numbers], strict=True):
            assert sentence(words_V) == set(captions(CODES[place : place + 1])[0].split())


def test_the_augmentation_does_not_flip_what_has_a_direction() -> None:
    objective = ImageText(setup())
    assert objective.images.augment is not None
    left_half = torch.zeros(64, 3, 96, 96)
    left_half[..., :48] = 0.5
    seen = objective.images.augment(left_half.contiguous(memory_format=torch.channels_last))
    assert (seen[..., 10:38].mean((1, 2, 3)) > seen[..., 58:86].mean((1, 2, 3))).all()


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("sigmoid", [False, True])
def test_loss_and_accuracy_are_those_of_equal_captions(sigmoid: bool) -> None:
    objective = ImageText(setup(), sigmoid)
    network = fresh(objective).eval()
    images, numbers = objective.images.held_out(torch.arange(8))
    logits = network.logits(network(images), network.text(objective.words_TV[numbers])).detach()
    equal = numbers[:, None] == numbers
    found = objective.measures(network, drawn_batch(8, training=False))
    expected = (sigmoid_loss if sigmoid else softmax_loss)(logits, equal)
    assert float(found["loss"].detach()) == pytest.approx(float(expected), rel=1e-6)
    right = sum(bool(equal[place, int(row.argmax())]) for place, row in enumerate(logits))
    assert float(found["accuracy"]) == pytest.approx(100 * right / 8)


def test_classes_are_asked_in_every_caption_and_combinations_by_shape_and_tone() -> None:
    objective, test = ImageText(setup()), dataset().test
    codes_NA, questions = codes_of(test, "test"), objective.questions()
    assert set(questions) == {"top1", "seen_combinations", "held_out_combinations"}
    classes, seen, unseen = questions.values()
    assert classes.words_KTV.shape == (10, 360, len(VOCABULARY))
    assert seen.words_KTV.shape == unseen.words_KTV.shape == (50, 72, len(VOCABULARY))
    np.testing.assert_array_equal(classes.answers_N, test.targets)
    for place, row in enumerate(codes_NA):
        asked, other = (unseen, seen) if row[TONE] == row[SHAPE] % 5 else (seen, unseen)
        assert other.answers_N[place] == -1
        own = captions(row[None])[0].split()
        for words_V in asked.words_KTV[asked.answers_N[place]]:
            assert {own[1 + TONE], own[1 + SHAPE]} <= sentence(words_V)
        for words_V in classes.words_KTV[classes.answers_N[place], ::7]:
            assert own[1 + SHAPE] in sentence(words_V)


def test_images_without_captions_and_too_few_are_refused() -> None:
    grey = Split(np.full((60, 3, 96, 96), 128, np.uint8), None)
    with pytest.raises(NotFitError, match="image 0 of unlabeled is not the embedded sample's"):
        ImageText(replace(setup(), data=replace(dataset(), unlabeled=grey)))
    with pytest.raises(NotFitError, match="1 images with captions are too few to hold any out; expected 2 or more"):
        ImageText(replace(setup(), data=dataset(1)))


@pytest.mark.parametrize("sigmoid", [False, True])
@pytest.mark.parametrize("encoder", list(ENCODERS))
def test_the_gradient_reaches_every_parameter(encoder: str, sigmoid: bool) -> None:
    objective = ImageText(setup(encoder=encoder), sigmoid)
    network = fresh(objective)
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective.loss(network, drawn_batch(3))
    assert_reaches_all(network, loss)


@pytest.mark.usefixtures("tiny_models")
@pytest.mark.parametrize("sigmoid", [False, True])
def test_the_loss_falls(sigmoid: bool) -> None:
    objective = ImageText(setup(), sigmoid)
    network, empty = fresh(objective), torch.empty(16, 0)  # the batch's own images are not used
    torch.manual_seed(0)
    assert_falls(objective, network, lambda count: Batch(empty[:count], torch.arange(count), True, 0.0), 40)
