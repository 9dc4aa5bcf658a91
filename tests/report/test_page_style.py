"""The page's colours: sufficient contrast of every text on every background, in light, in dark and in print."""

import re
from pathlib import Path

import pytest

import pse_repro.report

STYLE = (Path(pse_repro.report.__file__).parent / "templates" / "page.html.jinja").read_text(encoding="utf-8")
TEXTS = ("text", "soft", "good", "bad", "mark", "link")
GROUNDS = ("page", "stripe", "good-tint", "bad-tint", "mark-tint")
LEAST = 4.5  # WCAG 2, level AA, for text of any size


@pytest.mark.parametrize(("number", "scheme"), [(0, "light"), (1, "dark"), (2, "print")])
def test_contrast_is_enough(number: int, scheme: str) -> None:
    blocks = re.findall(r":root \{(.*?)\}", STYLE)
    assert len(blocks) == 3
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[number]))
    ratios = {(text, ground): contrast(colours[text], colours[ground]) for text in TEXTS for ground in GROUNDS}
    assert min(ratios.values()) >= LEAST, (scheme, min(ratios, key=lambda pair: ratios[pair]))


def test_every_colour_is_a_variable_that_was_tested() -> None:
    rules = STYLE[STYLE.index("* { box-sizing") : STYLE.index("@media print")]
    used = set(re.findall(r"[ ;](?:color|background): var\(--([\w-]+)\)", rules))
    assert used == {*TEXTS, *GROUNDS}


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def contrast(first: str, second: str) -> float:
    """Return WCAG's contrast ratio of two colours, 1 to 21."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
