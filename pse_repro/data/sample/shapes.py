"""Silhouettes of the embedded sample, as signed distances on a batch of pixel grids.

A shape is a function of a `Pen` (the grid, already moved, turned and scaled) and of `vary`, eight random numbers per
image in -1..1 that vary its proportions. It returns its layers from back to front, each a tone and a signed distance.
Every shape fits the box -1..1, x to the right, y downwards, and faces right if it is seen from the side.

Legend: N images, H rows, W columns. A `Field` is (N, H, W), or (N, 1, 1) for one number per image, in shape units.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.floating]  # float32; NumPy's types of derived values differ between versions
Number = float | Field
MAIN, SECOND, DARK = 0, 1, 2  # tones; each gets a colour per image, from the same distribution for every shape
Layer = tuple[int, Field]
Shape = Callable[["Pen", Sequence[Field]], list[Layer]]


@dataclass(frozen=True)
class Pen:
    """Primitives on a grid, `x` and `y` (N, H, W); each method returns a signed distance, negative inside."""

    x: Field
    y: Field

    def ellipse(self, x: Number, y: Number, radius_x: float, radius_y: float) -> Field:
        """Return the distance to an ellipse: exact for a circle, otherwise to first order near the short axis."""
        across, down = (self.x - x) * (1 / radius_x), (self.y - y) * (1 / radius_y)
        distance: Field = (np.sqrt(across * across + down * down) - 1) * min(radius_x, radius_y)
        return distance

    def limb(self, start: tuple[Number, Number], end: tuple[Number, Number], r_start: float, r_end: float) -> Field:
        """Return the distance to a line with round ends, whose radius changes from `r_start` to `r_end`."""
        along_x, along_y = end[0] - start[0], end[1] - start[1]
        x, y = self.x - start[0], self.y - start[1]
        part = np.clip((x * along_x + y * along_y) * (1 / (along_x * along_x + along_y * along_y)), 0, 1)
        x -= part * along_x
        y -= part * along_y
        part *= r_end - r_start
        distance: Field = np.sqrt(x * x + y * y) - part - r_start
        return distance

    def box(self, x: Number, y: Number, half_x: float, half_y: float, corner: float = 0.04) -> Field:
        """Return the distance to an upright box with corners rounded by `corner`."""
        across, down = np.abs(self.x - x) - (half_x - corner), np.abs(self.y - y) - (half_y - corner)
        outside_x, outside_y = np.maximum(across, 0), np.maximum(down, 0)
        distance: Field = np.sqrt(outside_x * outside_x + outside_y * outside_y)
        distance += np.minimum(np.maximum(across, down), 0) - corner
        return distance

    def polygon(self, *points: tuple[float, float]) -> Field:
        """Return the distance (a lower bound outside, near corners) to a convex polygon, clockwise on screen."""
        distance: Field | None = None
        for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
            length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
            normal_x, normal_y = (y1 - y0) / length, (x0 - x1) / length
            edge = self.x * normal_x + self.y * normal_y - (x0 * normal_x + y0 * normal_y)
            distance = edge if distance is None else np.maximum(distance, edge)
        assert distance is not None
        return distance


def union(*distances: Field) -> Field:
    """Return the signed distance to the union of the given shapes."""
    joined = distances[0]
    for distance in distances[1:]:
        joined = np.minimum(joined, distance)
    return joined


def _legs(pen: Pen, vary: Sequence[Field], xs: Sequence[float], top: float, foot: float, radius: float) -> Field:
    """Return legs from `top` to `foot` at the given `xs`, each with its own swing."""
    legs = [
        pen.limb((x, top), (x + 0.14 * swing, foot), 1.4 * radius, radius) for x, swing in zip(xs, vary, strict=False)
    ]
    return union(*legs)


def _airplane(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    tip_x, span = -0.25 + 0.15 * vary[0], 0.85 + 0.1 * vary[1]
    wings = union(
        pen.limb((0.15, 0.0), (tip_x, span), 0.17, 0.06), pen.limb((0.15, 0.0), (tip_x + 0.1, -0.8 * span), 0.17, 0.06)
    )
    tail = union(pen.limb((-0.75, 0.0), (-0.95, 0.34), 0.09, 0.05), pen.limb((-0.75, 0.0), (-0.92, -0.34), 0.09, 0.05))
    body = pen.limb((-0.85, 0.0), (0.75, 0.0), 0.09, 0.16)
    return [(MAIN, union(wings, body)), (SECOND, tail), (DARK, pen.ellipse(0.72, 0.0, 0.12, 0.08))]


def _bird(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    tail = pen.limb((-0.35, 0.15), (-0.9, 0.3 + 0.2 * vary[0]), 0.14, 0.07)
    body = union(pen.ellipse(0.0, 0.1, 0.5, 0.3), pen.ellipse(0.46, -0.18, 0.24, 0.22), tail)
    wing = pen.limb((0.05, 0.05), (-0.4 + 0.2 * vary[1], -0.75 + 0.2 * vary[2]), 0.25, 0.06)
    beak = pen.polygon((0.66, -0.28), (0.95, -0.15), (0.66, -0.08))
    legs = _legs(pen, vary[3:], (-0.05, 0.12), 0.35, 0.78, 0.035)
    return [(DARK, legs), (MAIN, body), (SECOND, union(wing, beak)), (DARK, pen.ellipse(0.52, -0.22, 0.05, 0.05))]


def _car(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    body = union(
        pen.box(0.0, 0.18, 0.92, 0.22, 0.15), pen.polygon((-0.62, 0.05), (-0.4, -0.36), (0.2, -0.36), (0.55, 0.05))
    )
    windows = union(
        pen.polygon((-0.48, 0.0), (-0.34, -0.27), (-0.12, -0.27), (-0.12, 0.0)),
        pen.polygon((-0.04, 0.0), (-0.04, -0.27), (0.15, -0.27), (0.38, 0.0)),
    )
    left, right = -0.54 + 0.06 * vary[0], 0.54 + 0.06 * vary[1]
    wheels = union(pen.ellipse(left, 0.4, 0.22, 0.22), pen.ellipse(right, 0.4, 0.22, 0.22))
    hubs = union(pen.ellipse(left, 0.4, 0.1, 0.1), pen.ellipse(right, 0.4, 0.1, 0.1))
    return [(MAIN, body), (DARK, union(windows, wheels)), (SECOND, hubs)]


def _cat(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    bend = 0.78 + 0.1 * vary[0], 0.55 + 0.1 * vary[1]
    tail = union(pen.limb((0.2, 0.78), bend, 0.08, 0.07), pen.limb(bend, (0.7 + 0.2 * vary[2], 0.05), 0.07, 0.06))
    ears = union(
        pen.polygon((-0.36, -0.4), (-0.36, -0.95), (-0.02, -0.6)),
        pen.polygon((0.02, -0.6), (0.36, -0.95), (0.36, -0.4)),
    )
    body = union(pen.limb((0.0, 0.05), (0.0, 0.52), 0.22, 0.38), pen.ellipse(0.0, -0.4, 0.38, 0.31))
    chest = pen.ellipse(0.0, 0.3, 0.14, 0.26)
    face = union(
        pen.ellipse(-0.15, -0.44, 0.07, 0.07), pen.ellipse(0.15, -0.44, 0.07, 0.07), pen.ellipse(0.0, -0.28, 0.06, 0.04)
    )
    return [(MAIN, union(tail, body, ears)), (SECOND, chest), (DARK, face)]


def _deer(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    legs = _legs(pen, vary, (-0.48, -0.3, 0.1, 0.24), 0.05, 0.92, 0.045)
    head_x, head_y = 0.46 + 0.08 * vary[4], -0.36 + 0.06 * vary[5]
    neck = pen.limb((0.2, 0.0), (head_x, head_y), 0.16, 0.09)
    head = pen.limb((head_x, head_y), (head_x + 0.27, head_y + 0.1), 0.11, 0.06)
    body = union(pen.limb((-0.42, 0.02), (0.15, 0.0), 0.2, 0.19), neck, head, legs)
    fork = head_x - 0.12, head_y - 0.3
    antlers = union(
        pen.limb((head_x, head_y), fork, 0.045, 0.04),
        pen.limb(fork, (head_x - 0.34, head_y - 0.55), 0.04, 0.03),
        pen.limb(fork, (head_x + 0.1, head_y - 0.58), 0.04, 0.03),
        pen.limb((head_x + 0.04, head_y), (head_x + 0.36, head_y - 0.42), 0.04, 0.03),
    )
    return [(SECOND, antlers), (MAIN, body), (DARK, pen.ellipse(head_x + 0.29, head_y + 0.1, 0.05, 0.05))]


def _dog(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    legs = _legs(pen, vary, (-0.55, -0.36, 0.12, 0.32), 0.2, 0.74, 0.09)
    tail = pen.limb((-0.62, 0.05), (-0.88 + 0.1 * vary[4], -0.45 + 0.1 * vary[5]), 0.09, 0.05)
    snout = pen.limb((0.55, -0.2), (0.85, -0.1), 0.15, 0.1)
    head = union(pen.ellipse(0.5, -0.26, 0.27, 0.25), snout)
    body = pen.limb((-0.46, 0.14), (0.26, 0.08), 0.21, 0.25)
    ear = pen.limb((0.4, -0.38), (0.3 + 0.05 * vary[6], 0.0), 0.08, 0.12)
    dark = union(pen.ellipse(0.92, -0.14, 0.07, 0.06), pen.ellipse(0.58, -0.32, 0.05, 0.05))
    return [(MAIN, union(legs, tail, body, head)), (SECOND, ear), (DARK, dark)]


def _horse(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    legs = _legs(pen, vary, (-0.56, -0.38, 0.16, 0.34), 0.05, 0.94, 0.065)
    poll = 0.62 + 0.05 * vary[4], -0.64 + 0.06 * vary[5]
    neck = pen.limb((0.28, -0.08), poll, 0.24, 0.13)
    head = pen.limb(poll, (poll[0] + 0.26, poll[1] + 0.3), 0.13, 0.08)
    body = union(legs, neck, head, pen.limb((-0.45, -0.02), (0.22, 0.0), 0.26, 0.24))
    mane = pen.limb((0.08, -0.28), (poll[0] - 0.1, poll[1] - 0.1), 0.07, 0.09)
    tail = pen.limb((-0.68, -0.12), (-0.88 + 0.1 * vary[6], 0.5), 0.07, 0.11)
    return [(MAIN, body), (SECOND, union(mane, tail))]


def _monkey(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    ears = union(pen.ellipse(-0.34, -0.5, 0.14, 0.16), pen.ellipse(0.34, -0.5, 0.14, 0.16))
    left, right = (-0.6, 0.12 + 0.1 * vary[0]), (0.6, 0.12 + 0.1 * vary[1])
    arms = union(
        pen.limb((-0.15, -0.12), left, 0.1, 0.08), pen.limb(left, (-0.78, -0.55 + 0.15 * vary[2]), 0.08, 0.08),
        pen.limb((0.15, -0.12), right, 0.1, 0.08), pen.limb(right, (0.78, -0.55 + 0.15 * vary[3]), 0.08, 0.08),
    )  # fmt: skip
    legs = union(pen.limb((-0.12, 0.42), (-0.42, 0.9), 0.13, 0.09), pen.limb((0.12, 0.42), (0.42, 0.9), 0.13, 0.09))
    body = union(pen.ellipse(0.0, -0.5, 0.3, 0.3), pen.ellipse(0.0, 0.2, 0.27, 0.4))
    face = union(pen.ellipse(0.0, -0.42, 0.19, 0.18), pen.ellipse(0.0, 0.24, 0.15, 0.24))
    eyes = union(pen.ellipse(-0.09, -0.5, 0.05, 0.06), pen.ellipse(0.09, -0.5, 0.05, 0.06))
    return [(SECOND, ears), (MAIN, union(arms, legs, body)), (SECOND, face), (DARK, eyes)]


def _ship(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    hull = pen.polygon((-0.95, 0.22), (0.98, 0.16), (0.7, 0.68), (-0.75, 0.68))
    funnel_x, mast_x = -0.2 + 0.15 * vary[0], 0.5 + 0.1 * vary[1]
    cabins = union(pen.box(-0.2, 0.06, 0.48, 0.2), pen.box(-0.25 + 0.1 * vary[2], -0.2, 0.3, 0.14))
    funnel = pen.box(funnel_x, -0.52, 0.11, 0.24)
    mast = pen.limb((mast_x, 0.2), (mast_x, -0.8 + 0.1 * vary[3]), 0.04, 0.03)
    ports = union(*(pen.ellipse(x, 0.4, 0.06, 0.06) for x in (-0.5, -0.15, 0.2, 0.55)))
    return [(MAIN, union(funnel, mast)), (SECOND, cabins), (MAIN, hull), (DARK, ports)]


def _truck(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    cargo = pen.box(-0.3, -0.2 + 0.04 * vary[0], 0.64, 0.5)
    cab = union(pen.box(0.66, 0.06, 0.28, 0.34, 0.08), pen.box(0.0, 0.36, 0.92, 0.08))
    wheels = [
        pen.ellipse(x + 0.05 * swing, 0.5, 0.18, 0.18) for x, swing in zip((-0.68, -0.22, 0.62), vary[1:4], strict=True)
    ]
    return [(SECOND, cargo), (MAIN, cab), (DARK, union(pen.box(0.74, -0.08, 0.15, 0.11), *wheels))]


def _house(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    roof = union(pen.polygon((-0.9, -0.1), (0.0, -0.85), (0.9, -0.1)), pen.box(0.45 + 0.1 * vary[0], -0.6, 0.09, 0.25))
    door = union(
        pen.box(0.3 * vary[1], 0.55, 0.14, 0.27), pen.box(-0.42, 0.2, 0.13, 0.13), pen.box(0.42, 0.2, 0.13, 0.13)
    )
    return [(MAIN, pen.box(0.0, 0.35, 0.7, 0.48)), (SECOND, roof), (DARK, door)]


def _tree(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    crown = union(
        pen.ellipse(0.0, -0.5, 0.42, 0.38),
        pen.ellipse(-0.34 + 0.1 * vary[0], -0.15 + 0.1 * vary[1], 0.4, 0.3),
        pen.ellipse(0.34 + 0.1 * vary[2], -0.15 + 0.1 * vary[3], 0.4, 0.3),
    )
    return [(SECOND, pen.limb((0.0, -0.1), (0.05 * vary[4], 0.92), 0.1, 0.14)), (MAIN, crown)]


def _fish(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    tail = pen.polygon((-0.5, 0.0), (-0.95, -0.42), (-0.95, 0.42))
    fins = union(pen.limb((0.1, -0.2), (-0.15, -0.5 + 0.1 * vary[0]), 0.14, 0.05), tail)
    eye = pen.ellipse(0.5, -0.08, 0.07, 0.07)
    return [(SECOND, fins), (MAIN, pen.ellipse(0.1, 0.0, 0.72, 0.36)), (DARK, eye)]


def _mushroom(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    cap = np.maximum(pen.ellipse(0.0, 0.0, 0.85, 0.72), pen.y - 0.04)
    spots = union(
        *(pen.ellipse(x, y + 0.06 * vary[0], 0.1, 0.1) for x, y in ((-0.4, -0.2), (0.05, -0.42), (0.42, -0.18)))
    )
    return [(SECOND, pen.limb((0.0, 0.0), (0.1 * vary[1], 0.75), 0.2, 0.24)), (MAIN, cap), (DARK, spots)]


def _rabbit(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    ears = union(
        pen.limb((0.3, -0.3), (0.1 + 0.1 * vary[0], -0.88), 0.08, 0.09),
        pen.limb((0.45, -0.3), (0.42, -0.92), 0.08, 0.09),
    )
    body = union(
        pen.ellipse(-0.15, 0.35, 0.56, 0.42), pen.ellipse(0.42, -0.1, 0.29, 0.25), pen.ellipse(0.3, 0.7, 0.3, 0.1)
    )
    return [
        (MAIN, union(ears, body)),
        (SECOND, pen.ellipse(-0.7, 0.45, 0.17, 0.17)),
        (DARK, pen.ellipse(0.5, -0.14, 0.05, 0.06)),
    ]


def _locomotive(pen: Pen, vary: Sequence[Field]) -> list[Layer]:
    boiler = union(pen.box(0.2, 0.05, 0.7, 0.25, 0.12), pen.box(0.6 + 0.08 * vary[0], -0.4, 0.11, 0.25))
    cab = union(pen.box(-0.6, -0.12, 0.32, 0.42), pen.box(0.0, 0.34, 0.94, 0.07))
    wheels = [pen.ellipse(x, 0.5, 0.17, 0.17) for x in (-0.65, -0.2, 0.25, 0.7)]
    return [(MAIN, boiler), (SECOND, cab), (DARK, union(pen.box(-0.6, -0.25, 0.16, 0.13), *wheels))]


# Labels 1..10 of the sample are the positions in CLASSES; OTHERS appear only in the unlabelled split.
CLASSES: dict[str, Shape] = {
    "airplane": _airplane, "bird": _bird, "car": _car, "cat": _cat, "deer": _deer,
    "dog": _dog, "horse": _horse, "monkey": _monkey, "ship": _ship, "truck": _truck,
}  # fmt: skip
OTHERS: dict[str, Shape] = {
    "house": _house, "tree": _tree, "fish": _fish, "mushroom": _mushroom, "rabbit": _rabbit, "locomotive": _locomotive,
}  # fmt: skip
