import numpy as np
import pytest

from pse_repro.data.sample.shapes import CLASSES, DARK, MAIN, OTHERS, SECOND, Field, Pen, Shape, union

AXIS = np.linspace(-1.5, 1.5, 121, dtype=np.float32)
PEN = Pen(np.broadcast_to(AXIS[None, None, :], (1, 121, 121)), np.broadcast_to(AXIS[None, :, None], (1, 121, 121)))


def test_distances_to_a_circle_a_line_and_a_box_are_exact() -> None:
    x, y = PEN.x, PEN.y
    np.testing.assert_allclose(PEN.ellipse(0.2, -0.1, 0.5, 0.5), np.hypot(x - 0.2, y + 0.1) - 0.5, atol=1e-5)
    nearest = np.hypot(x - np.clip(x, -0.5, 0.5), y)
    np.testing.assert_allclose(PEN.limb((-0.5, 0.0), (0.5, 0.0), 0.1, 0.1), nearest - 0.1, atol=1e-5)
    box = PEN.box(0.0, 0.0, 0.5, 0.3, corner=0.0)
    outside = np.hypot(x - np.clip(x, -0.5, 0.5), y - np.clip(y, -0.3, 0.3))
    np.testing.assert_allclose(np.maximum(box, 0), outside, atol=1e-5)
    assert ((box < 0) == ((np.abs(x) < 0.5) & (np.abs(y) < 0.3))).all()


def test_a_polygon_is_the_points_inside_all_edges() -> None:
    square = PEN.polygon((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
    np.testing.assert_allclose(square, np.maximum(np.abs(PEN.x), np.abs(PEN.y)) - 0.5, atol=1e-6)
    np.testing.assert_array_equal(union(square, -square), -np.abs(square))


@pytest.mark.parametrize("shape", [*CLASSES.values(), *OTHERS.values()])
@pytest.mark.parametrize("bend", [-1.0, 0.0, 1.0])
def test_every_shape_fills_its_box_and_stays_in_it(shape: Shape, bend: float) -> None:
    vary: list[Field] = [np.full((1, 1, 1), bend, np.float32)] * 8
    layers = shape(PEN, vary)
    inside = union(*(distance for _, distance in layers)) < 0
    assert all(distance.dtype == np.float32 and distance.shape == (1, 121, 121) for _, distance in layers)
    assert {tone for tone, _ in layers} <= {MAIN, SECOND, DARK}
    assert MAIN in {tone for tone, _ in layers}
    assert 0.06 < inside.mean() < 0.5
    assert not inside[(np.abs(PEN.x) > 1.2) | (np.abs(PEN.y) > 1.2)].any()


def test_ten_classes_and_others_beside_them() -> None:
    assert len(CLASSES) == 10
    assert OTHERS
    assert not set(CLASSES) & set(OTHERS)
