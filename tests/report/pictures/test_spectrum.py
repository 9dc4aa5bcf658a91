"""The spectrum of a residual: against waves of known frequency, a slow sum, and Parseval's theorem."""

from pathlib import Path

import numpy as np
import pytest

from pse_repro.report.pictures.picture import MAX_MODELS
from pse_repro.report.pictures.spectrum import radial_power, section, spectrum_figure
from pse_repro.study.cells import label
from pse_repro.study.load import load_study
from pse_repro.study.record import Run
from tests.support.panels import assert_not_blank, drawn
from tests.support.stored_run import store_run, study

RANDOM = np.random.default_rng(0)
LINE = radial_power(RANDOM.normal(size=(2, 3, 32, 32)))


@pytest.mark.parametrize("cycles", [1, 5, 16])
def test_a_wave_has_its_power_at_its_frequency(cycles: int) -> None:
    wave = np.cos(2 * np.pi * cycles * np.arange(32) / 32) * np.ones((1, 3, 32, 1))
    frequencies, power = radial_power(wave)
    assert frequencies[power.argmax()] == cycles / 32
    assert np.delete(power, cycles - 1) == pytest.approx(0, abs=1e-9)


def test_rings_are_means_over_directions_channels_and_images_one_by_one() -> None:
    residuals = RANDOM.normal(size=(2, 3, 8, 8))
    sums, counts = np.zeros(20), np.zeros(20)
    for image in residuals.reshape(6, 8, 8):
        transformed = np.fft.fft2(image)
        for row in range(8):
            for column in range(8):
                ring = round(np.hypot(min(row, 8 - row), min(column, 8 - column)))
                sums[ring] += abs(transformed[row, column]) ** 2 / 64
                counts[ring] += 1
    np.testing.assert_allclose(radial_power(residuals)[1], sums[1:5] / counts[1:5])


def test_noise_is_flat_and_its_power_is_its_variance() -> None:
    noise = np.random.default_rng(1).normal(0, 0.3, (20, 3, 32, 32))
    assert radial_power(noise)[1] == pytest.approx(0.09, rel=0.15)


def test_images_that_are_not_finite_are_left_out() -> None:
    residuals = RANDOM.normal(size=(3, 3, 16, 16))
    broken = residuals.copy()
    broken[1, 0, 0, 0] = np.nan
    np.testing.assert_allclose(radial_power(broken)[1], radial_power(residuals[[0, 2]])[1])
    assert np.isnan(radial_power(np.full((1, 3, 16, 16), np.nan))[1]).all()


@pytest.mark.parametrize(
    "lines",
    [
        {"CNN-MSE": LINE, "CNN-PSE-3": (LINE[0], 2 * LINE[1])},
        {"CNN-MSE": (LINE[0], 0 * LINE[1]), "CNN-PSE-3": LINE},
        {"CNN-MSE": (LINE[0], np.nan * LINE[1])},
    ],
    ids=["two", "no residual", "NaN"],
)
def test_the_figure_shows_power_and_its_ratio(lines: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    drawing, figure = drawn(lambda: spectrum_figure({"CNN": lines, "ResNet": {"ResNet-MSE": LINE}}))
    assert drawing.kind == "svg"
    assert len(figure.axes) == 4
    assert_not_blank(figure)
    ratios = [np.asarray(line.get_ydata(), float) for line in figure.axes[1].lines]
    if len(lines) == 2 and lines["CNN-MSE"][1].any():
        np.testing.assert_allclose(ratios[1], 2)


def test_a_loss_looks_the_same_on_both_encoders_and_unlike_the_others() -> None:
    losses = ("MSE", *(f"LOSS-{number}" for number in range(12)))
    rows = {encoder: {f"{encoder}-{loss}": LINE for loss in losses} for encoder in ("CNN", "ResNet")}
    _, figure = drawn(lambda: spectrum_figure(rows))
    looks = [
        [(line.get_color(), line.get_linestyle(), line.get_marker()) for line in panel.lines] for panel in figure.axes
    ]
    assert all(panel == looks[0] for panel in looks)
    assert len(set(looks[0])) == len(losses)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(losses)


def test_every_loss_of_the_study_of_losses_is_drawn(tmp_path: Path) -> None:
    models = load_study("losses").models
    assert len(models) > 2 * MAX_MODELS
    store_run(tmp_path, study(models=models, evaluations=("knn",)))
    (found,) = section(Run.open(tmp_path))
    (picture,) = found.pictures
    assert "Not pictured" not in found.words
    for model in models:
        assert f"{label(model)} " in picture.alt
