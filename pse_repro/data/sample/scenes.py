"""Scenes of the embedded sample: a coloured, lit shape on a background with a photograph's power spectrum.

Pose, colours, light and noise have the same distributions for every shape, so only the shape identifies the class.
Their ranges were matched to photographs of the same size: mean, contrast, channel correlation, slope of the power
spectrum, and the mean squared error left by 64 principal components (0.016; photographs 0.015 to 0.020).

Legend: N images, C = 3 channels, H = W = 96, K random numbers, F = 2 noise fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from pse_repro.data.sample.shapes import DARK, MAIN, SECOND, Field, Layer, Pen, Shape
from pse_repro.data.stl10 import SIDE

UNIFORMS = 128  # K: at least as many as `paint` uses; the rest is a reserve
EXPONENTS = (0.7, 0.9, 1.1, 1.4)  # amplitude ~ 1 / frequency^exponent, from rough to smooth; edges add to it
Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Draw:
    """A random number that `paint` uses: its column among an image's uniform numbers, and its range."""

    column: int
    low: float
    high: float

    def of(self, uniforms_NK: npt.NDArray[np.float64]) -> Array:
        """Return the numbers (N,), uniform in [low, high)."""
        return (self.low + (self.high - self.low) * uniforms_NK[:, self.column]).astype(np.float32)


class Dice:
    """Supply of a batch's uniform random numbers: one column per call, as (N, 1, 1) in the requested range.

    `named` are the draws with a name, which captions speak of.
    """

    def __init__(self, uniforms_NK: npt.NDArray[np.float64]) -> None:
        self._uniforms_NK, self._used = uniforms_NK, 0
        self.named: dict[str, Draw] = {}

    def between(self, low: float, high: float, name: str = "") -> Field:
        """Return numbers uniform in [low, high)."""
        draw = Draw(self._used, low, high)
        self._used += 1
        if name:
            self.named[name] = draw
        return draw.of(self._uniforms_NK)[:, None, None]

    def sign(self, name: str = "") -> Field:
        """Return -1 or 1."""
        return np.where(self.between(-1, 1, name) < 0, np.float32(-1), np.float32(1))

    def direction(self, name: str = "") -> tuple[Field, Field]:
        """Return cosine and sine of an angle uniform on the circle."""
        return _cos_sin(self.between(-np.pi, np.pi, name))


def _cos_sin(angle: Field) -> tuple[Field, Field]:
    wide = angle.astype(np.float64)  # rounding to float32 hides last bits that differ between CPUs
    return np.cos(wide).astype(np.float32), np.sin(wide).astype(np.float32)


def _spectra() -> Array:
    """Return the amplitudes (exponent, H, W) of noise fields with unit variance and zero mean."""
    frequency = np.fft.fftfreq(SIDE) * SIDE
    radius = np.hypot(frequency[:, None], frequency[None, :])
    radius[0, 0] = np.inf
    amplitudes = np.stack([radius**-exponent for exponent in EXPONENTS])
    scaled: Array = (amplitudes / np.sqrt((amplitudes**2).sum((1, 2), keepdims=True)) * SIDE**2).astype(np.float32)
    return scaled


_SPECTRA = _spectra()
_PIXELS = ((np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 - 1).astype(np.float32)  # centres, -1..1
_X, _Y = _PIXELS[None, None, :], _PIXELS[None, :, None]


def _noise_fields(dice: Dice, normals_NFHW: Array) -> tuple[Field, Field]:
    """Return two independent fields with a power-law spectrum and unit variance.

    They are the real and the imaginary part of one transform.
    """
    which = (dice.between(0, len(EXPONENTS))[:, 0, 0]).astype(np.int64)
    coefficients = (normals_NFHW[:, 0] + 1j * normals_NFHW[:, 1]) * _SPECTRA[which]
    fields = np.fft.ifft2(coefficients).astype(np.complex64)
    return np.ascontiguousarray(fields.real), np.ascontiguousarray(fields.imag)


def _colour(dice: Dice, luminance: Field, named: bool = False) -> tuple[Field, Field, Field]:
    """Draw a colour of the given luminance; as in nature, it varies most along blue-yellow, less along red-green."""
    vivid = dice.between(0.1, 1.0, "vivid" * named)
    blue_yellow = dice.between(-0.36, 0.26, "blue_yellow" * named) * vivid
    red_green = dice.between(-0.16, 0.2, "red_green" * named) * vivid
    return (luminance - 0.4 * blue_yellow + red_green, luminance - 0.1 * blue_yellow - 0.4 * red_green,
            luminance + blue_yellow)  # fmt: skip


def _background(dice: Dice, rough: Field, smooth: Field) -> list[Field]:
    """Draw two regions with a border like a horizon, and four small objects in front; three channels (N, H, W)."""
    near, far = dice.between(0.08, 0.88), dice.between(0.08, 0.88)
    tilt, height, sharp = dice.between(-0.35, 0.35), dice.between(-0.7, 0.7), dice.between(0.5, 1.5) ** 8
    share = np.clip(0.5 + sharp * (_Y - height + tilt * _X + 0.15 * smooth), 0, 1)
    channels = [
        top + (bottom - top) * share for top, bottom in zip(_colour(dice, far), _colour(dice, near), strict=True)
    ]
    for _ in range(4):
        x, y = dice.between(-1.0, 1.0), dice.between(-1.0, 1.0)
        cos, sin = dice.direction()
        stretch, size = dice.between(0.5, 2.0), dice.between(0.06, 0.55)
        across, down = (cos * (_X - x) + sin * (_Y - y)) / stretch, (cos * (_Y - y) - sin * (_X - x)) * stretch
        across, down = across * across, down * down
        reach = np.where(dice.sign() > 0, across + down, np.maximum(across, down))  # an ellipse or a box
        alpha = np.clip((size * size - reach) * (SIDE / 4) / size, 0, 1)
        for channel, colour in zip(channels, _colour(dice, dice.between(0.03, 0.95)), strict=True):
            channel += alpha * (colour - channel)
    grain = 1 + dice.between(0.06, 0.28) * rough
    return [channel * grain for channel in channels]


def _pose(dice: Dice) -> tuple[Pen, Field]:
    """Draw a pose; return the grid in the shape's coordinates, and the pixels per unit."""
    size = dice.between(0.74, 1.0, "size")
    cos, sin = _cos_sin(dice.between(-0.22, 0.22))
    x, y = _X - dice.between(-0.12, 0.12), _Y - dice.between(-0.1, 0.1)
    flip, aspect, bend = dice.sign("flip"), dice.between(0.85, 1.18), dice.between(-0.12, 0.12)
    across, down = (cos * x + sin * y) * (flip / (size * aspect)), (cos * y - sin * x) * (aspect / size)
    return Pen(across + bend * (down * down - 0.3), down), size * (SIDE / 2)


def _weights(layers: list[Layer], edge: Field) -> tuple[list[Field | float], Field]:
    """Return each tone's share of each pixel, and the background's, painting back to front."""
    shares: list[Field | float] = [0.0, 0.0, 0.0]
    rest: Field | float = 1.0
    for tone, distance in layers:
        alpha = np.clip(0.5 - distance * edge, 0, 1)
        shares = [share * (1 - alpha) if isinstance(share, np.ndarray) else share for share in shares]
        shares[tone] = shares[tone] + alpha
        rest = rest * (1 - alpha)
    assert isinstance(rest, np.ndarray)
    return shares, rest


def _mean_luminance(channels: list[Field]) -> Field:
    # In float64: the order of a sum varies with the batch and the CPU, and the images must not.
    means = [channel.mean((1, 2), keepdims=True, dtype=np.float64) for channel in channels]
    mean: Field = ((means[0] + means[1] + means[2]) / 3).astype(np.float32)
    return mean


def _tones(dice: Dice, behind: Field) -> dict[int, tuple[Field, Field, Field]]:
    """Draw the three colours of a shape; the main one contrasts with the mean luminance `behind` it."""
    side = np.where(behind + dice.between(-0.15, 0.15) < 0.45, np.float32(1), np.float32(-1))
    main: Field = np.clip(behind + side * dice.between(0.26, 0.52), 0.06, 0.95)
    second: Field = np.clip(main + dice.sign() * dice.between(0.1, 0.3), 0.05, 0.95)
    return {
        MAIN: _colour(dice, main, named=True),
        SECOND: _colour(dice, second),
        DARK: _colour(dice, dice.between(0.03, 0.15)),
    }


def paint(shape: Shape, uniforms_NK: npt.NDArray[np.float64], normals_NFHW: Array) -> npt.NDArray[np.uint8]:
    """Paint images (N, 3, 96, 96), 0..255, of one shape from random numbers: uniform in [0, 1), standard normal."""
    return _painted(shape, Dice(uniforms_NK), normals_NFHW)


@cache
def named_draws() -> Mapping[str, Draw]:
    """Return the draws that `paint` names; they have the same columns for every image and shape.

    "size" is the shape's; "flip" is negative if it faces left; its main colour has "vivid", "blue_yellow" (above 0:
    blue) and "red_green" (above 0: red); "light" is the angle of the lighter side from the right, clockwise, in
    radians; "warmth" is above 0 if the light is reddish, below if it is bluish.
    """
    dice = Dice(np.zeros((1, UNIFORMS)))
    _painted(lambda pen, _: [(MAIN, pen.x)], dice, np.zeros((1, 2, SIDE, SIDE), np.float32))
    return dice.named


def _painted(shape: Shape, dice: Dice, normals_NFHW: Array) -> npt.NDArray[np.uint8]:
    rough, smooth = _noise_fields(dice, normals_NFHW)
    pen, scale = _pose(dice)
    layers = shape(pen, [dice.between(-1, 1) for _ in range(8)])
    shares, rest = _weights(layers, scale / dice.between(0.9, 1.8))
    channels = _background(dice, rough, smooth)
    tones = _tones(dice, _mean_luminance(channels))
    light_x, light_y = dice.direction("light")
    ramp = light_x * _X + light_y * _Y
    shade = 1 + dice.between(0.05, 0.35) * ramp + dice.between(0.02, 0.14) * smooth
    warmth, tint = dice.between(-0.12, 0.12, "warmth"), dice.between(-0.03, 0.03)
    light = dice.between(0.8, 1.15) * (1 + dice.between(0.0, 0.25) * ramp)
    images_NCHW = np.empty((len(normals_NFHW), 3, SIDE, SIDE), np.uint8)
    for index, (channel, gain) in enumerate(zip(channels, (1 + warmth, 1 + tint, 1 - warmth), strict=True)):
        thing = sum((share * tones[tone][index] for tone, share in enumerate(shares)), np.float32(0))
        value = (channel * rest + thing * shade) * (light * gain)
        images_NCHW[:, index] = np.rint(np.clip(value, 0, 1) * 255)
    return images_NCHW
