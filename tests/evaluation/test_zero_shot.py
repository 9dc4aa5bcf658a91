"""Zero-shot scores: perfect embeddings are always right, random ones as often as chance has it."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from pse_repro.evaluation.zero_shot import answered, class_embeddings, percent_right
from pse_repro.objectives.shared.text import Question

IMAGES, CLASSES, WORDS = 2000, 10, 24


def question(random: np.random.Generator) -> Question:
    """Return a question about classes of three texts each, whose first word is the class's own."""
    words_KTV = torch.from_numpy(random.random((CLASSES, 3, WORDS)).astype(np.float32)) / 20
    words_KTV[range(CLASSES), :, range(CLASSES)] = 1
    return Question(words_KTV, random.integers(CLASSES, size=IMAGES))


def test_a_perfect_encoder_is_right_about_every_image() -> None:
    random = np.random.default_rng(0)
    asked = question(random)
    images_NP = asked.words_KTV.numpy()[asked.answers_N, random.integers(3, size=IMAGES)]
    assert answered(nn.Identity(), 5 * images_NP, {"top1": asked}) == {"top1": 100.0}


@pytest.mark.parametrize("seed", range(3))
def test_a_random_encoder_is_right_as_often_as_chance(seed: int) -> None:
    """Within four standard deviations of the binomial distribution, which is left once in 15,000 times."""
    random = np.random.default_rng(seed)
    images_NP = random.standard_normal((IMAGES, WORDS)).astype(np.float32)
    found = answered(nn.Identity(), images_NP, {"top1": question(random)})["top1"] / 100
    chance = 1 / CLASSES
    assert abs(found - chance) < 4 * math.sqrt(chance * (1 - chance) / IMAGES)


def test_a_class_is_the_mean_of_its_texts_by_a_loop() -> None:
    torch.manual_seed(0)
    text, words_KTV = nn.Linear(5, 4), torch.rand(3, 2, 5)
    for words_TV, found in zip(words_KTV.double(), class_embeddings(text, words_KTV), strict=True):
        texts = [text.double()(words_V).detach().numpy() for words_V in words_TV]
        text.float()
        mean = sum(each / np.linalg.norm(each) for each in texts)
        np.testing.assert_allclose(found, mean / np.linalg.norm(mean), rtol=1e-5)


def test_images_without_an_answer_are_left_out() -> None:
    images_NP, classes_KP = np.eye(4, 3, dtype=np.float32), np.eye(3, dtype=np.float32)
    assert percent_right(images_NP, classes_KP, np.array([0, 2, 2, -1])) == pytest.approx(100 * 2 / 3)
    asked = {name: Question(torch.eye(3)[:, None], np.array(each)) for name, each in (("a", [0] * 4), ("b", [-1] * 4))}
    assert answered(nn.Identity(), images_NP, asked) == {"a": 50.0}  # an image of zeros is nearest to the first
