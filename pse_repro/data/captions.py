"""Captions of the embedded sample's images: what its generator drew, in words.

    a large blue dog looking leftward in warm light from above

The numbers from which an image was painted are drawn again by its split and its place in the file; nothing is painted
for it, except a few images to prove that they are the sample's. Each word but the fixed ones belongs to one attribute.
That of a shape that is its own mirror image has a direction, too, which cannot be seen.
Shapes: N images, A attributes in the order of ATTRIBUTES, a code being a word's number among its attribute's.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pse_repro.data.sample.embedded import draw_images, draw_numbers
from pse_repro.data.sample.scenes import named_draws
from pse_repro.data.sample.shapes import CLASSES, OTHERS
from pse_repro.data.stl10 import Split
from pse_repro.errors import NotFitError

Codes = npt.NDArray[np.int64]

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "size": ("small", "medium", "large"),
    "tone": ("grey", "blue", "yellow", "red", "green"),
    "shape": (*CLASSES, *OTHERS),
    "direction": ("leftward", "rightward"),
    "warmth": ("cool", "white", "warm"),
    "light": ("left", "above", "right", "below"),
}
TONE, SHAPE = (list(ATTRIBUTES).index(name) for name in ("tone", "shape"))
_SENTENCE = "a {} {} {} looking {} in {} light from {}"
VOCABULARY = sorted({*_SENTENCE.replace("{}", "").split(), *(word for words in ATTRIBUTES.values() for word in words)})
_GREY = 0.07  # shift of blue by which a tone is none
_RED_GREEN = 1.5  # red and green are as far from grey as blue is in numbers this much smaller
_COMPARED = 16  # images that are painted again
_ROUNDED = 1  # grey level by which the sample may differ between machines


def captions(codes_NA: Codes) -> list[str]:
    """Return the sentence of each row of codes."""
    words = list(ATTRIBUTES.values())
    return [_SENTENCE.format(*(words[place][code] for place, code in enumerate(codes))) for codes in codes_NA.tolist()]


def all_codes() -> Codes:
    """Return the codes of every possible caption, by shape and tone: (16 shapes, 5 tones, 72 others, A)."""
    grid = np.stack(np.meshgrid(*(np.arange(len(words)) for words in ATTRIBUTES.values()), indexing="ij"), -1)
    codes_STOA = np.moveaxis(grid, (SHAPE, TONE), (0, 1))
    return codes_STOA.reshape(*codes_STOA.shape[:2], -1, len(ATTRIBUTES))


def is_held_out(codes_NA: Codes) -> npt.NDArray[np.bool_]:
    """Return which images have one of the combinations of shape and tone that no pre-training sees with a caption.

    Every shape lacks one tone, and every tone is lacked by three or four shapes.
    """
    held_out: npt.NDArray[np.bool_] = codes_NA[:, SHAPE] % len(ATTRIBUTES["tone"]) == codes_NA[:, TONE]
    return held_out


def codes_of(split: Split, name: str) -> Codes:
    """Return the codes (N, A) of the sample's images, or of some of them, of split "train", "test" or "unlabeled".

    Raises:
        NotFitError: one of a few images, evenly spaced, is not the sample's.
    """
    places = split.in_file
    some = np.unique(np.linspace(0, len(split) - 1, min(_COMPARED, len(split))).round().astype(np.int64))
    painted_NCHW, _ = draw_images(name, places[some].tolist())
    differing = np.abs(split.stored_NCWH[some].swapaxes(2, 3).astype(np.int64) - painted_NCHW).max((1, 2, 3)) > _ROUNDED
    if differing.any():
        raise NotFitError(
            f"image {places[some][differing][0]} of {name} is not the embedded sample's, so it has no caption; "
            "expected the images that `pse-repro data sample DIR` writes: use them, or label-text for photographs"
        )
    return codes(*draw_numbers(name, places.tolist()))


def codes(shapes_N: npt.NDArray[np.int64], uniforms_NK: npt.NDArray[np.float64]) -> Codes:
    """Return the codes (N, A) of shapes and uniform random numbers as `draw_numbers` returns them."""
    drawn = {name: draw.of(uniforms_NK) for name, draw in named_draws().items()}
    by_attribute = {
        "size": _thirds("size", drawn["size"]),
        "tone": _tone(drawn["vivid"] * drawn["blue_yellow"], _RED_GREEN * drawn["vivid"] * drawn["red_green"]),
        "shape": shapes_N,
        "direction": drawn["flip"] >= 0,
        "warmth": _thirds("warmth", drawn["warmth"]),
        "light": (drawn["light"] / (np.pi / 2) + 2.5).astype(np.int64) % 4,  # quarters around each direction
    }
    return np.stack([by_attribute[name].astype(np.int64) for name in ATTRIBUTES], 1)


def _thirds(name: str, drawn_N: npt.NDArray[np.float32]) -> Codes:
    """Return the third of its range that each number is in."""
    draw = named_draws()[name]
    return ((drawn_N - draw.low) * (3 / (draw.high - draw.low))).astype(np.int64).clip(0, 2)


def _tone(blue_N: npt.NDArray[np.float32], red_N: npt.NDArray[np.float32]) -> npt.NDArray[np.integer]:
    """Return the tone of colours' shifts towards blue (from yellow) and red (from green): that of the larger one."""
    strong = np.where(np.abs(blue_N) > np.abs(red_N), np.where(blue_N > 0, 1, 2), np.where(red_N > 0, 3, 4))
    return np.where(np.maximum(np.abs(blue_N), np.abs(red_N)) < _GREY, 0, strong)


def bags_of_words(texts: Sequence[str], vocabulary: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return each text's share of each word (N, V); ValueError for a word that is not in the vocabulary."""
    place = {word: number for number, word in enumerate(vocabulary)}
    bags_NV = np.zeros((len(texts), len(vocabulary)), np.float32)
    for bag_V, text in zip(bags_NV, texts, strict=True):
        words = text.split()
        if unknown := [word for word in words if word not in place]:
            raise ValueError(f"{unknown[0]!r} is not in the vocabulary; expected one of {', '.join(vocabulary)}")
        np.add.at(bag_V, [place[word] for word in words], 1 / max(len(words), 1))
    return bags_NV
