"""Captions say what was drawn: one attribute, one word; and only the sample's own images have any."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pse_repro.data.captions import (
    ATTRIBUTES,
    SHAPE,
    TONE,
    VOCABULARY,
    all_codes,
    bags_of_words,
    captions,
    codes,
    codes_of,
    is_held_out,
)
from pse_repro.data.sample.embedded import draw_numbers, draw_split
from pse_repro.data.sample.scenes import UNIFORMS, named_draws, paint
from pse_repro.data.sample.shapes import CLASSES, MAIN
from pse_repro.data.stl10 import CLASS_NAMES, Split
from pse_repro.errors import NotFitError
from tests.support.tiny import dataset

some_codes = st.tuples(*(st.integers(0, len(words) - 1) for words in ATTRIBUTES.values()))
PLAIN = {"size": 0.8, "flip": 0.5, "vivid": 1, "blue_yellow": 0.2, "red_green": 0, "warmth": 0, "light": 0}


def drawn(**numbers: float) -> np.ndarray:
    """Return uniform numbers (1, K) with which the generator draws these values, those of PLAIN unless given."""
    uniforms_NK = np.full((1, UNIFORMS), 0.5)
    for name, value in (PLAIN | numbers).items():
        draw = named_draws()[name]
        uniforms_NK[:, draw.column] = (value - draw.low) / (draw.high - draw.low)
    return uniforms_NK


def caption(shape: str = "dog", **numbers: float) -> str:
    return captions(codes(np.array([ATTRIBUTES["shape"].index(shape)]), drawn(**numbers)))[0]


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({}, "a small blue dog looking rightward in white light from right"),
        ({"size": 0.9}, "a medium blue dog looking rightward in white light from right"),
        ({"size": 0.99}, "a large blue dog looking rightward in white light from right"),
        ({"blue_yellow": -0.2}, "a small yellow dog looking rightward in white light from right"),
        ({"red_green": 0.19}, "a small red dog looking rightward in white light from right"),
        ({"red_green": -0.15}, "a small green dog looking rightward in white light from right"),
        ({"vivid": 0.1}, "a small grey dog looking rightward in white light from right"),
        ({"flip": -0.5}, "a small blue dog looking leftward in white light from right"),
        ({"warmth": -0.1}, "a small blue dog looking rightward in cool light from right"),
        ({"warmth": 0.1}, "a small blue dog looking rightward in warm light from right"),
        ({"light": -np.pi / 2}, "a small blue dog looking rightward in white light from above"),
        ({"light": np.pi / 2}, "a small blue dog looking rightward in white light from below"),
        ({"light": 3.1}, "a small blue dog looking rightward in white light from left"),
        ({"light": -3.1}, "a small blue dog looking rightward in white light from left"),
        ({"shape": "cat"}, "a small blue cat looking rightward in white light from right"),
    ],
)
def test_a_caption_says_what_was_drawn(numbers: dict[str, float], words: str) -> None:
    if "red_green" in numbers:
        numbers = numbers | {"blue_yellow": 0.1}
    assert caption(**numbers) == words  # type: ignore[arg-type]


@given(some_codes, st.data())
def test_another_code_is_another_word_and_nothing_else(one: tuple[int, ...], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(one) - 1))
    words = list(ATTRIBUTES.values())[place]
    other = data.draw(st.integers(0, len(words) - 1).filter(lambda code: code != one[place]))
    before, after = (text.split() for text in captions(np.array([one, (*one[:place], other, *one[place + 1 :])])))
    changed = [pair for pair in zip(before, after, strict=True) if len(set(pair)) > 1]
    assert changed == [(words[one[place]], words[other])]


def test_every_word_has_one_meaning() -> None:
    words = [word for of_attribute in ATTRIBUTES.values() for word in of_attribute]
    assert len(words) == len(set(words))
    assert len(VOCABULARY) == 38
    assert ATTRIBUTES["shape"][:10] == CLASS_NAMES


def test_words_are_those_of_the_picture() -> None:
    normals_NFHW = np.zeros((1, 2, 96, 96), np.float32)

    def painted(**numbers: float) -> np.ndarray:
        return paint(CLASSES["dog"], drawn(**numbers), normals_NFHW)[0].astype(float)

    plain = painted()
    is_dog = (plain != paint(lambda pen, _: [(MAIN, pen.x + 9)], drawn(), normals_NFHW)[0]).any(0)
    warmer = (painted(warmth=0.1) - plain).mean((1, 2))
    assert warmer[0] > 5
    assert warmer[2] < -5
    left, right = np.split(painted(light=3.1) - plain, 2, axis=2)
    assert left.mean() > 1 > -1 > right.mean()
    above, below = np.split(painted(light=-np.pi / 2) - painted(light=np.pi / 2), 2, axis=1)
    assert above.mean() > 1 > -1 > below.mean()
    bluer = (plain - painted(blue_yellow=-0.2))[:, is_dog].mean(1)
    assert bluer[2] > 10 > -10 > bluer[0]
    redder = (painted(red_green=0.1) - plain)[:, is_dog].mean(1)
    assert redder[0] > 10 > -1 > redder[1]
    head = is_dog[:, 48:].sum() - is_dog[:, :48].sum()
    flipped = (painted(flip=-0.5) != paint(lambda pen, _: [(MAIN, pen.x + 9)], drawn(), normals_NFHW)[0]).any(0)
    assert (flipped[:, 48:].sum() - flipped[:, :48].sum()) * head < 0


@pytest.mark.parametrize("name", ["unlabeled", "train", "test"])
def test_the_samples_images_have_codes_by_their_place_in_the_file(name: str) -> None:
    whole = getattr(dataset(), name)
    expected = codes(*draw_numbers(name, range(len(whole))))
    np.testing.assert_array_equal(codes_of(whole, name), expected)
    some = whole.evenly(7).evenly(3)
    np.testing.assert_array_equal(some.stored_NCWH, whole.stored_NCWH[some.in_file])
    np.testing.assert_array_equal(codes_of(some, name), expected[some.in_file])
    if name != "unlabeled":
        np.testing.assert_array_equal(expected[:, SHAPE], whole.targets)


def test_rounding_of_another_machine_is_allowed_and_other_images_are_not() -> None:
    split = dataset(20).unlabeled
    split.stored_NCWH[:] = split.stored_NCWH.clip(0, 254) + 1
    codes_of(split, "unlabeled")
    with pytest.raises(NotFitError, match=r"image 0 of test is not the embedded sample's, so it has no caption"):
        codes_of(split, "test")
    split.stored_NCWH[-1, :, 4, 5] ^= 128
    with pytest.raises(NotFitError, match="image 19 of unlabeled is not"):
        codes_of(split, "unlabeled")
    photographs = Split(np.zeros((20, 3, 96, 96), np.uint8), None)
    with pytest.raises(NotFitError, match="label-text for photographs"):
        codes_of(photographs, "unlabeled")


def test_held_out_combinations_are_one_tone_of_each_shape() -> None:
    every = all_codes()
    assert every.shape == (16, 5, 72, len(ATTRIBUTES))
    rows = every.reshape(-1, len(ATTRIBUTES))
    assert len(np.unique(rows, axis=0)) == len(rows) == 16 * 5 * 72
    held_out = is_held_out(rows).reshape(16, 5, 72)
    assert (held_out.all(2) == held_out.any(2)).all()  # no other attribute matters
    assert held_out[:, :, 0].sum(1).tolist() == [1] * 16
    assert sorted(held_out[:10, :, 0].sum(0)) == [2] * 5  # of the classes
    for shape, tone in ((0, 0), (3, 1), (15, 4)):
        assert ([shape, tone] == every[shape, tone, :, [SHAPE, TONE]].T).all()


def test_about_a_fifth_of_the_images_is_held_out() -> None:
    found = codes(*draw_numbers("unlabeled", range(2000)))
    assert 0.17 < is_held_out(found).mean() < 0.25
    for place, words in enumerate(ATTRIBUTES.values()):
        assert np.bincount(found[:, place], minlength=len(words)).min() > 2000 / len(words) / 3


def test_bags_of_words_are_shares() -> None:
    bags = bags_of_words(["a dog", "a a cat", ""], ["a", "cat", "dog"])
    np.testing.assert_allclose(bags, [[1 / 2, 0, 1 / 2], [2 / 3, 1 / 3, 0], [0, 0, 0]], rtol=1e-6)
    with pytest.raises(ValueError, match="'cow' is not in the vocabulary; expected one of a, dog"):
        bags_of_words(["a cow"], ["a", "dog"])


def test_numbers_alone_are_those_of_the_painted_images() -> None:
    for name in ("train", "unlabeled"):
        shapes_N, _ = draw_numbers(name, range(20))
        _, labels = draw_split(name, 20)
        np.testing.assert_array_equal(np.where(shapes_N < 10, shapes_N + 1, 0), labels)
