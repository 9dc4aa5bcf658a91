"""Embeddings: every class is drawn, with its own colour and mark."""

import numpy as np
import pytest

from pse_repro.data.stl10 import CLASS_NAMES
from pse_repro.report.pictures.embeddings import embeddings_figure
from tests.support.panels import assert_not_blank, drawn

RANDOM = np.random.default_rng(0)
POINTS, LABELS = RANDOM.normal(size=(100, 2)).astype(np.float32), np.arange(100) % 10 + 1
BROKEN = np.where(np.arange(100)[:, None] < 60, np.float32(np.nan), POINTS)


@pytest.mark.parametrize("models", [1, 7])
@pytest.mark.parametrize("points", [POINTS, BROKEN], ids=["finite", "NaN"])
def test_every_panel_shows_its_images(models: int, points: np.ndarray) -> None:
    drawing, figure = drawn(lambda: embeddings_figure({f"m {n}": (points, LABELS) for n in range(models)}, CLASS_NAMES))
    assert drawing.kind == "png"
    assert_not_blank(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(CLASS_NAMES)


def test_classes_differ_in_mark_and_hold_their_images_alone() -> None:
    _, figure = drawn(lambda: embeddings_figure({"CNN-MSE": (POINTS, LABELS)}, CLASS_NAMES))
    groups = figure.axes[0].collections
    assert len({group.get_paths()[0].vertices.tobytes() for group in groups}) == 10
    for number, group in enumerate(groups, 1):
        np.testing.assert_allclose(group.get_offsets(), POINTS[number == LABELS])
