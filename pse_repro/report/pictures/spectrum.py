"""Radially averaged power spectrum of each model's residual: the scale of the details that it reconstructs wrongly.

Shapes: residuals_N3HW in units of the image (0 to 1), H = W; power (B,) at frequencies (B,) in cycles per pixel.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import numpy as np

from pse_repro.report.pictures.picture import Group, Picture, Section, conditions, groups_with, paragraph
from pse_repro.report.pictures.plots import GRID, Drawing, as_svg, grid, legend, log_axis, style
from pse_repro.study import store
from pse_repro.study.cells import label
from pse_repro.study.record import Run

MAX_LINES = 40  # models, rather than the usual eight: every loss of studies/losses.toml, on both encoders


def section(run: Run) -> list[Section]:
    """Return a section with a picture per protocol, two panels per encoder; none without reconstructions."""
    found, left_out = groups_with(run, attrgetter("reconstructions"), MAX_LINES)
    words = (
        "Low frequencies (left) are coarse errors, such as patches that are too light or too dark; high frequencies "
        "(right) are fine errors, such as lost texture. PSE gives more weight to coarse errors: if this takes effect, "
        "its line is below that of MSE on the left and above it on the right, and that of a loss of the high-passed "
        "residual the other way round."
    )
    pictures = [_picture(run, group) for group in found]
    return [Section("Spectrum of the residual", paragraph(words, left_out), pictures)] if pictures else []


def radial_power(residuals_N3HW: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies and power, averaged over rings of width 1 / H from one cycle per image (1 / H) to 0.5.

    Power is |FFT|^2 / (H W), averaged over a ring, the channels and the images; its mean over all frequencies is the
    MSE (Parseval). Images that are not finite are left out; the power is NaN if none is left.
    """
    size = residuals_N3HW.shape[-1]
    finite = residuals_N3HW[np.isfinite(residuals_N3HW).all((1, 2, 3))].astype(np.float64)
    cycles = size * np.fft.fftfreq(size)
    ring = np.hypot(cycles[:, None], cycles).round().astype(int)
    rings = np.arange(1, size // 2 + 1)
    if not len(finite):
        return rings / size, np.full(len(rings), np.nan)
    power = (np.abs(np.fft.fft2(finite)) ** 2).mean((0, 1)) / size**2
    sums = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    return rings / size, sums[rings]


def spectrum_figure(encoders: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]]) -> Drawing:
    """Draw a row per entry (encoder: frequencies and power by model): power, and its ratio to the first model's.

    A loss looks the same for every encoder.
    """
    figure, axes = grid(2 * len(encoders), 4.1, 3.0, columns=2)
    handles: dict[str, Any] = {}
    losses = list(dict.fromkeys(_loss(model) for lines in encoders.values() for model in lines))
    for number, (encoder, lines) in enumerate(encoders.items()):
        left, right = axes[2 * number : 2 * number + 2]
        base = next(iter(lines))
        for model, (frequencies, power) in lines.items():
            look = style(losses.index(_loss(model))) | {"markevery": 0.12, "markersize": 4, "linewidth": 1.3}
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = power / lines[base][1]
            for panel, values in ((left, power), (right, ratio)):
                if (np.isfinite(values) & (values > 0)).any():
                    (handles[_loss(model)],) = panel.plot(frequencies, values, **look)
        if any((power > 0).any() for _, power in lines.values()):
            left.set_yscale("log")
        left.set_ylabel("power of the residual", fontsize=9)
        right.set_ylabel(f"relative to {base}", fontsize=9)
        for panel in (left, right):
            log_axis(panel, "x")
            panel.set_title(encoder, fontsize=10)
            panel.set_xlabel("frequency, cycles per pixel", fontsize=9)
            panel.grid(True, color=GRID, linewidth=0.6)
    legend(figure, handles)
    return as_svg(figure)


def _loss(model: str) -> str:
    """Return the name of a model without its encoder: PSE-3 of CNN-PSE-3."""
    return model.partition("-")[2]


def _picture(run: Run, group: Group) -> Picture:
    encoders: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for cell in group.cells:
        arrays = store.read_npz(run.files(cell).reconstructions)
        images = len(arrays["images"])
        residuals = arrays["reconstructions"].astype(np.float64) - arrays["images"].astype(np.float64)
        encoders.setdefault(label(cell.model).split("-")[0], {})[label(cell.model)] = radial_power(residuals)
    words = "; ".join(
        f"{model} {power[: len(power) // 4].mean():.3g} and {power[-(len(power) // 4) :].mean():.3g}"
        for lines in encoders.values()
        for model, (_, power) in lines.items()
    )
    return Picture(
        f"spectrum-{group.file}.svg",
        f"Mean power of the residual in the lowest and the highest quarter of frequencies, {group.protocol}: {words}.",
        "Left: power spectrum of reconstruction minus image, averaged over directions, channels and images; its mean "
        "over all frequencies is the MSE. Right: the same, divided by that of the encoder's first model. "
        + conditions(run, group, f"{images} test images"),
        spectrum_figure(encoders),
    )
