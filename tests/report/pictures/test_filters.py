"""Filters: their roughness and their figure."""

import numpy as np
import pytest

from pse_repro.report.pictures.filters import filters_figure, roughness
from tests.support.panels import assert_not_blank, drawn

FILTERS = np.random.default_rng(0).normal(size=(32, 3, 3, 3)).astype(np.float32)


def test_roughness_is_the_mean_step_over_the_deviation_filter_by_filter() -> None:
    expected = []
    for weights in FILTERS.astype(float):
        steps = [abs(weights[c, i, j] - weights[c, i + 1, j]) for c in range(3) for i in range(2) for j in range(3)]
        steps += [abs(weights[c, i, j] - weights[c, i, j + 1]) for c in range(3) for i in range(3) for j in range(2)]
        expected.append(np.mean(steps) / weights.std())
    assert roughness(FILTERS) == pytest.approx(np.mean(expected))


def test_constant_filters_are_smooth_and_noise_is_rough_whatever_its_scale() -> None:
    assert roughness(np.ones((4, 3, 5, 5))) == 0
    noise = np.random.default_rng(1).normal(size=(50, 3, 11, 11))
    assert roughness(noise) == pytest.approx(2 / np.sqrt(np.pi), rel=0.02)
    assert roughness(1000 * noise) == pytest.approx(roughness(noise))


def test_filters_without_neighbours_or_finite_weights_have_no_roughness() -> None:
    assert np.isnan(roughness(np.ones((4, 3, 1, 1))))
    assert np.isnan(roughness(np.full((4, 3, 3, 3), np.nan)))


@pytest.mark.parametrize(("shape", "count"), [((64, 3, 3, 3), 7), ((5, 3, 8, 8), 1), ((8, 1, 3, 3), 2)])
def test_every_panel_shows_filters(count: int, shape: tuple[int, ...]) -> None:
    filters = np.random.default_rng(0).normal(size=shape)
    drawing, figure = drawn(lambda: filters_figure({f"CNN-PSE-{n}": filters for n in range(count)}))
    assert drawing.kind == "png"
    assert_not_blank(figure)


def test_zero_is_grey_the_largest_weight_is_full_and_nan_is_no_error() -> None:
    filters = np.zeros((3, 3, 2, 2))
    filters[0, 0, 0, 0], filters[0, 1, 0, 0], filters[2] = 4.0, -4.0, np.nan
    _, figure = drawn(lambda: filters_figure({"CNN": filters}))
    tiled = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(tiled[0, 0], [1, 0, 0.5])
    np.testing.assert_allclose(tiled[1, 1], 0.5)
    np.testing.assert_allclose(tiled[0, 6], 0.5)
